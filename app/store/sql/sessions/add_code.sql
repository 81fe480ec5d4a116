-- Stores the code of a link that signs in.
insert into rowline.sign_in_codes (digest) values (:digest::bytea) returning digest
