-- Changes the mark of valid secrets, when the transaction commits. Locks the one row: changes come one after the other.
insert into rowline.token_changes as change (mark) values (gen_random_uuid())
on conflict (is_only) do update set mark = excluded.mark
returning mark
