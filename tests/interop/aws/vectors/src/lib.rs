//! Empty: the manifest beside it pins where test vectors come from.
