//! The log on the real disk: the suite for engines, the lock, the spare.

use std::fs;
use std::io;
use std::path::Path;

use tidegate_core::log::conformance::CHECKS;
use tidegate_core::log::disk::{Disk, DiskFile};
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_hub::disk::{DiskError, FsDisk, LockError};
use tidegate_types::time::UnixMillis;

#[test]
fn the_log_conforms_on_a_real_disk() {
    for (name, check) in CHECKS {
        println!("{name}");
        let dir = tempfile::tempdir().unwrap();
        check(&mut || {
            let disk = FsDisk::open(&dir.path().join("data/log")).unwrap();
            let options = OpenOptions {
                segment_bytes: 64 * 1024,
                ..OpenOptions::new("us-east-1")
            };
            let (log, _) = EmbeddedLog::open(disk, options, UnixMillis(7)).unwrap();
            Box::new(log)
        });
    }
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = FsDisk::open(dir.path()).unwrap();
    let error = FsDisk::open(dir.path()).unwrap_err();
    assert!(matches!(error, DiskError::Lock(LockError::Taken { .. })));
    let process = format!("in use by another process ({})", std::process::id());
    assert!(error.to_string().contains(&process), "{error}");
    drop(first);
    FsDisk::open(dir.path()).unwrap();
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = FsDisk::open(&file.join("log")).unwrap_err();
    assert!(matches!(error, DiskError::Directory { .. }), "{error}");
}

/// Whatever way a file is made, it has zeros throughout, and none is left when the disk is closed.
#[test]
fn files_are_zeros_from_the_spare_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FsDisk::open(dir.path()).unwrap();
    let len = 5 * 1024 * 1024 + 3;
    disk.prepare(len);
    for (name, len) in [("a", 1000), ("b", len), ("c", len), ("d", 0)] {
        let file = disk.create(name, len).unwrap();
        assert_eq!(file.len().unwrap(), len);
        let content = fs::read(dir.path().join(name)).unwrap();
        assert_eq!(content.len() as u64, len);
        assert!(content.iter().all(|byte| *byte == 0));
        file.write_at(b"end", len).unwrap();
    }
    disk.prepare(len);
    let again = disk.create("a", 10).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    let mut list = disk.list().unwrap();
    list.sort();
    let names: Vec<_> = list.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    disk.remove("a").unwrap();
    disk.sync_dir().unwrap();
    let missing = disk.open("a").unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    drop(disk);
    assert_eq!(files(dir.path()), ["b", "c", "d", "lock"]);
}

/// A process was killed while it made the spare.
#[test]
fn a_spare_left_over_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("next.spare"), "half a spare").unwrap();
    let disk = FsDisk::open(dir.path()).unwrap();
    disk.prepare(4096);
    disk.create("a", 4096).unwrap();
    let content = fs::read(dir.path().join("a")).unwrap();
    assert_eq!(content, [0; 4096]);
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}
