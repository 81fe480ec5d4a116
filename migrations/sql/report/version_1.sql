create view report.version as
select 1 as version;
comment on view report.version is
    'One row: the version of these views. Within a version columns are only added, at the end of their view; one that goes, or changes its meaning, makes a new version.';
comment on column report.version.version is 'integer: the version';
