//! Formats at the edges, pure: signature schemes and CloudEvents.
