-- No two versions of one section of one subject, from one side and source, hold at a time: as before (0001), but told by hashes of
-- the key (of its subject, and of the rest: 128 bits). Four texts in a GiST index cost each new version ten times as much, and that
-- was most of what writing a revision took. A read of one subject's past names the first hash (sectionsAt()): it finds what held without
-- reading all that did not. Reads of a section of all subjects have revision_valid. It reads every revision once: about a minute for a million.
alter table revision
  drop constraint revision_one_version_at_a_time,
  add constraint revision_one_version_at_a_time exclude using gist (
    hashtextextended(subject, 0) with =,
    hashtextextended(side || ' ' || source || ' ' || section, 0) with =,
    valid with &&
  );
