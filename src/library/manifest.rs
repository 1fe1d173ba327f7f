//! Files and folders that an HLS playlist (RFC 8216) or a DASH manifest (ISO/IEC 23009-1) refers to. They are not listed
//! separately.

use std::collections::HashSet;

use percent_encoding::percent_decode;

use super::kind::Kind;

/// Bytes that are read of the manifests in one folder. That of a film of three hours in pieces of two seconds has some
/// 300 kB.
pub const MAX_SIZE: usize = 8 * 1024 * 1024;

/// Templates that are kept. A manifest has a few for picture and sound.
const TEMPLATES: usize = 32;

/// The files and folders that the manifests in a folder refer to.
#[derive(Debug, Default)]
pub struct Segments {
    names: HashSet<Vec<u8>>,
    /// The text before and after the variable part of a DASH template (§5.3.9.4.4).
    templates: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Segments {
    /// Adds what a manifest names. It has any content.
    pub fn add(&mut self, manifest: &[u8]) {
        let has = |mark: &[u8]| manifest.windows(mark.len()).any(|window| window == mark);
        // Of what a player's own playlist names, only recordings could be segments.
        let is_adaptive = has(b"#EXT-X-") || has(b"<MPD");
        // In both formats, a URL is a line, an attribute or the text of an element.
        for url in manifest.split(|byte| b"\r\n\"<>".contains(byte)).map(<[u8]>::trim_ascii) {
            let path = url.split(|&byte| byte == b'?' || byte == b'#').next().unwrap_or_default();
            let path = path.strip_prefix(b"./").unwrap_or(path);
            let name: Vec<u8> = percent_decode(path.split(|&byte| byte == b'/').next().unwrap_or_default()).collect();
            if !(is_adaptive || Kind::of(&name) == Kind::TransportStream) {
                continue;
            }
            let mut fixed = name.split(|&byte| byte == b'$');
            match (fixed.next().unwrap_or_default(), fixed.next_back()) {
                (b"", Some(b"")) => {}
                (before, Some(after)) if self.templates.len() < TEMPLATES => {
                    self.templates.push((before.to_vec(), after.to_vec()));
                }
                (_, Some(_)) => {}
                (_, None) => drop(self.names.insert(name)),
            }
        }
    }

    /// Whether they name the file or folder `name` beside them.
    pub fn contains(&self, name: &[u8]) -> bool {
        let fits = |(before, after): &(Vec<u8>, Vec<u8>)| {
            name.strip_prefix(&before[..]).is_some_and(|rest| rest.ends_with(after))
        };
        self.names.contains(name) || self.templates.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\r\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"audio.m3u8\"\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\n\
                          low/720p.m3u8\r\n";
    const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4,a title\n\
                         ./seg%200.ts?token=1\n#EXTINF:4,\nhttp://cdn/seg9.ts\n";
    const DASH: &str = "<?xml version=\"1.0\"?><MPD><BaseURL>audio.mp4</BaseURL><SegmentTemplate \
                        initialization=\"init-$RepresentationID$.mp4\" media=\"$RepresentationID$/$Number%05d$.mp4\"/>";
    const PLAYER: &str = "#EXTM3U\n#EXTINF:-1,Film\nfilm.mp4\nrecording.ts\n";

    #[test]
    fn a_manifest_names_its_segments_and_other_playlists() {
        let rows: [(&str, &[&str], &[&str]); 5] = [
            (MASTER, &["audio.m3u8", "low"], &["720p.m3u8", "film.mp4"]),
            (MEDIA, &["init.mp4", "seg 0.ts"], &["seg%200.ts", "seg9.ts", "a title", "film.mp4"]),
            (DASH, &["audio.mp4", "init-0.mp4", "init-audio-en.mp4"], &["init.mp4", "film.mp4", "0"]),
            (PLAYER, &["recording.ts"], &["film.mp4"]),
            ("", &[], &["film.ts"]),
        ];
        for (text, named, others) in rows {
            let mut segments = Segments::default();
            segments.add(text.as_bytes());
            for (name, want) in named.iter().map(|name| (name, true)).chain(others.iter().map(|name| (name, false))) {
                assert_eq!(segments.contains(name.as_bytes()), want, "{name} in {text}");
            }
        }
    }

    #[test]
    fn a_manifest_made_to_be_slow_is_not() {
        let begun = std::time::Instant::now();
        for unit in ["\"", "$a$\n", "a$$b\n", "/", "%", "#EXT-X-\n", "a.ts\n"] {
            let mut segments = Segments::default();
            segments.add(unit.repeat(1024 * 1024 / unit.len()).as_bytes());
            (0..10_000).for_each(|number| assert!(!segments.contains(format!("{number}.ts").as_bytes())));
        }
        // A busy machine takes seconds; quadratic work takes minutes.
        assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    }
}
