-- The jobs of one array of new ones, with their numbers, `nth` from 1.
asked as materialized (
    select
        nextval('rowline.job_numbers') as number, a.name, a.data, a.opts, a.nth,
        :_option_filled
    from unnest(
        :name::text[], :data::text[], :opts::text[],
        :_option_arrays
    ) with ordinality as a (
        name, data, opts,
        :_option_columns
        , nth
    )
)
