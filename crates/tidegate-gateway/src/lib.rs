//! The shells of receive, publish and subscribe.
