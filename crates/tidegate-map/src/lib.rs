//! Mapping by jq, fenced, and by a direct extractor for plain paths.
