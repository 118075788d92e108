//! Drives disk and sync: the embedded engine, projections, the appender.
