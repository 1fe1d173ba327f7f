//! Which film a subtitle file belongs to, and its label, with names of any bytes: `cargo run --release --bin sidecars`.
//! The lines are films up to an empty one, and subtitle files after it.
#![no_main]

use std::collections::HashSet;

use filmstrip::library::path::title;
use filmstrip::library::sidecars::{Films, sidecars_by_stem};
use filmstrip::subtitles::label::{labels, language};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|&b| b == b'\n');
    let films: Vec<&[u8]> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let files: Vec<Vec<u8>> = lines.map(<[u8]>::to_vec).collect();
    for file in &files {
        language(title(file));
    }
    for (_, sidecars) in sidecars_by_stem(b"", &Films::new(films.into_iter()), files) {
        let labels = labels(sidecars.iter().map(|sidecar| &*sidecar.tag));
        let unique: HashSet<_> = labels.iter().map(|label| &label.label).collect();
        assert_eq!(unique.len(), sidecars.len());
    }
});
