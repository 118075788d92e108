//! Health by example, and against a naive model.

mod examples;
mod naive;
mod run;
