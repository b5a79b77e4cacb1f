//! Tests of the sums on files of their own.

mod classes;
mod engine;
mod kinds;
mod layouts;
mod versions;
