//! The converter of subtitles on any bytes and any language: `cargo run --release --bin subtitles`.
#![no_main]

use filmstrip::subtitles::to_webvtt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (&str, &[u8])| {
    let (language, bytes) = input;
    let vtt = to_webvtt(bytes, language).text.replace("\r\n", "\n").replace('\r', "\n");
    assert!(vtt.starts_with("WEBVTT") && !vtt.contains('\0'));
    let mut in_cue = false;
    for line in vtt.split('\n').skip(1) {
        if let Some((start, rest)) = line.split_once("-->") {
            for time in [start.trim(), rest.split_whitespace().next().unwrap_or_default()] {
                let (whole, fraction) = time.rsplit_once('.').unwrap();
                assert!(fraction.len() == 3 && whole.len() != 6 && whole.len() != 7);
                assert!(time.bytes().all(|byte| byte.is_ascii_digit() || b":.".contains(&byte)), "{line}");
            }
            in_cue = true;
        } else {
            in_cue &= !line.is_empty();
            assert!(!in_cue || line.split('<').skip(1).all(|rest| rest.contains('>')), "{line}");
        }
    }
});
