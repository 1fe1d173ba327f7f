//! The URLs that pages, the API and playlists write: below the route prefix of `--route-prefix`, and with the key of
//! `--auth` where a player asks for them without a password.

use std::fmt;
use std::str::FromStr;

use crate::http::target;
use crate::library::kind::Kind;

/// The start of all URLs of the site, and the end of those of files. Both are safe in HTML, JSON and playlists.
#[derive(Debug, Clone, Default)]
pub struct Urls {
    /// Empty, or a path like `/films`.
    pub prefix: RoutePrefix,
    /// Empty, or a query like `?key=…`.
    pub key: String,
}

impl Urls {
    /// The part of `path` below the prefix: from its `/` on, or nothing for the prefix itself. `None` if the path isn't
    /// below it.
    pub fn below<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        path.strip_prefix(self.prefix.0.as_bytes()).filter(|rest| matches!(rest, [] | [b'/', ..]))
    }

    /// The URL of the film `name`. The segments of HLS and DASH need the key too, and players resolve their URLs
    /// without the query of the playlist or manifest. So the key is in its path.
    pub fn film(&self, name: &[u8]) -> String {
        let Self { prefix, key } = self;
        let path = target::encode(name);
        match key.strip_prefix('?') {
            Some(key) if Kind::of(name) == Kind::Manifest => format!("{prefix}/video/;{key}/{path}"),
            _ => format!("{prefix}/video/{path}{key}"),
        }
    }

    /// The URL of a file's download, after its path.
    pub fn download(&self) -> String {
        let more = self.key.strip_prefix('?').map(|key| format!("&{key}"));
        format!("?download{}", more.unwrap_or_default())
    }
}

/// The path that everything is served below: empty, or `/` and segments of letters, digits, `-`, `.`, `_` and `~`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutePrefix(String);

impl fmt::Display for RoutePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RoutePrefix {
    type Err = &'static str;

    /// `/films`, `films` and `/films/` are the same prefix; `/` is none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix('/').unwrap_or(text);
        let path = path.strip_suffix('/').unwrap_or(path);
        if path.is_empty() {
            return Ok(Self::default());
        }
        // RFC 3986 §2.3: these need no escaping anywhere.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
        if path.split('/').all(is_segment) {
            Ok(Self(format!("/{path}")))
        } else {
            Err("expected a path like /films, of letters, digits, -, ., _ and ~")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_path() {
        let rows = [
            ("/films", Some("/films")),
            ("films", Some("/films")),
            ("/films/", Some("/films")),
            ("/a/b-1.2_~", Some("/a/b-1.2_~")),
            ("/", Some("")),
            ("", Some("")),
            ("//", Some("")),
            ("/a//b", None),
            ("/..", None),
            ("/a/./b", None),
            ("/a b", None),
            ("/a%20b", None),
            ("/\u{e9}", None),
            ("/a?b", None),
            ("/a\"", None),
        ];
        for (text, want) in rows {
            assert_eq!(text.parse::<RoutePrefix>().ok().map(|prefix| prefix.0).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn the_key_of_segments_is_in_the_path() {
        let keyed = Urls { prefix: "/films".parse().unwrap(), key: "?key=K".into() };
        for (urls, name, want) in [
            (&keyed, "a b/f.mp4", "/films/video/a%20b/f.mp4?key=K"),
            (&keyed, "a b/f.M3U8", "/films/video/;key=K/a%20b/f.M3U8"),
            (&keyed, "f.mpd", "/films/video/;key=K/f.mpd"),
            (&Urls::default(), "f.mpd", "/video/f.mpd"),
        ] {
            assert_eq!(urls.film(name.as_bytes()), want);
        }
    }

    #[test]
    fn only_what_is_below_the_prefix_is_routed() {
        let below = |prefix: &str, path: &'static str| {
            let urls = Urls { prefix: prefix.parse().unwrap(), key: String::new() };
            urls.below(path.as_bytes()).map(|rest| String::from_utf8_lossy(rest).into_owned())
        };
        for (prefix, path, want) in [
            ("/films", "/films/", Some("/")),
            ("/films", "/films/video/a", Some("/video/a")),
            ("/films", "/films", Some("")),
            ("/films", "/filmsx/", None),
            ("/films", "/", None),
            ("", "/video/a", Some("/video/a")),
        ] {
            assert_eq!(below(prefix, path).as_deref(), want, "{prefix} {path}");
        }
    }
}
