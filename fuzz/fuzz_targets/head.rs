//! The head parser, the target decoder and the range selection on any bytes: `cargo run --release --bin head`.
#![no_main]

use filmstrip::http::range::select;
use filmstrip::http::request::{Head, HeadScan};
use filmstrip::http::target::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(at)) = HeadScan::default().advance(bytes) else { return };
    let Ok(head) = Head::parse(&bytes[at]) else { return };
    let _ = Target::parse(head.target);
    if let Some(range) = head.fields.get("range") {
        let _ = select(range, 1 << 40);
    }
});
