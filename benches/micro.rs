//! What the parts of a request cost, each by itself.
#![forbid(unsafe_code)]
fn main() {
    divan::main();
}
