-- The daemons' own role and database: psql -v password=... -f machinedb.sql, once, on the primary (README.md, step 4).
create role machinedb login password :'password';
create database machinedb owner machinedb;
