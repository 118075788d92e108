//! The conformance suite over the disk in memory.

use super::*;
use crate::log::conformance::CHECKS;
use crate::log::memdisk::MemDisk;

#[test]
fn conforms() {
    for (name, check) in CHECKS {
        println!("{name}");
        let disk = MemDisk::new(1);
        check(&mut || {
            let options = OpenOptions {
                segment_bytes: 64 * 1024,
                ..OpenOptions::new("us-east-1")
            };
            let (log, _) = EmbeddedLog::open(disk.clone(), options, UnixMillis(7)).unwrap();
            Box::new(log)
        });
    }
}
