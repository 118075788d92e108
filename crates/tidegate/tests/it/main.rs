//! The command against real processes on free ports.
