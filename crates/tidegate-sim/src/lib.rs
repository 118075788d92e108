//! The simulated world: virtual time, lossy disks, many seeds, on the cores alone.
