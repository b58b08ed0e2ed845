-- Images, and how they come onto disks.

-- An image that machines may start or be installed with: its manifest, signed.
create table image (
  name text primary key,
  kind text not null check (kind in ('discovery', 'disk')),
  manifest jsonb not null,
  signature text not null,
  signing_key text not null,
  created_by text not null,
  created_at timestamptz not null default clock_timestamp()
);

-- A disk is written only while `reinstall` (raised by a person) is above `installed` (recorded by the server).
alter table node
  add column reinstall bigint not null default 0,
  add column installed bigint not null default 0,
  -- What was asked for: {image, wipe, by, reason, at}.
  add column install_request jsonb,
  -- How far it is: {phase, percent, disk, message, attempts, at}.
  add column install_progress jsonb,
  -- It was looked at and has an operating system of its own: it starts its disk until a person asks for an install.
  add column starts_disk boolean not null default false,
  add constraint node_installed check (installed <= reinstall);
