//! The access log: one line per response. The client's bytes are escaped, so that none can forge another line.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::close_reason::CloseReason;

const MAX_LOGGED_BYTES: usize = 1024;

pub struct Entry<'a> {
    pub peer: SocketAddr,
    /// The client behind a proxy, or else the peer's address.
    pub client: IpAddr,
    /// The request line, or whatever was received in its place.
    pub request_line: &'a [u8],
    pub status: u16,
    /// Bytes of the body that were sent.
    pub sent: u64,
    /// Bytes of the whole body.
    pub due: u64,
    /// The time from the request's first byte to the response's last.
    pub took: Duration,
    /// Why the connection closed after this response, if it did.
    pub close: Option<CloseReason>,
}

impl Entry<'_> {
    /// Writes the line at level info; `RUST_LOG=filmstrip::access=off` disables it.
    pub fn record(&self) {
        log::info!(target: "filmstrip::access", "{self}");
    }
}

impl Display for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request_line = without_key(self.request_line);
        let line = request_line.get(..MAX_LOGGED_BYTES).unwrap_or(&request_line);
        let cut = if line.len() < request_line.len() { "..." } else { "" };
        let Self { peer, client, status, sent, due, .. } = self;
        let line = line.escape_ascii();
        let milliseconds = self.took.as_secs_f64() * 1000.0;
        if *client == peer.ip().to_canonical() {
            write!(f, "{peer}")?;
        } else {
            write!(f, "{client}")?;
        }
        write!(f, " \"{line}{cut}\" {status} {sent}/{due} {milliseconds:.1}ms")?;
        self.close.and_then(CloseReason::sentence).map_or(Ok(()), |sentence| write!(f, " ({sentence})"))
    }
}

/// Hides the value of every `key=` in a request line, because the key opens every film. A client may send it in the
/// wrong place, or escape the `?` or `=` before it.
pub fn without_key(line: &[u8]) -> Cow<'_, [u8]> {
    let lower = line.to_ascii_lowercase();
    let mut clean = Vec::new();
    // Of what was copied or hidden already.
    let mut end = 0;
    for at in 0..line.len() {
        let name = ["key=", "key%3d"].into_iter().find(|name| at >= end && lower[at..].starts_with(name.as_bytes()));
        let Some(name) = name else { continue };
        let value = at + name.len();
        clean.extend_from_slice(&line[end..value]);
        clean.extend_from_slice(b"...");
        let length = line[value..].iter().position(|byte| b"&;/? ".contains(byte));
        end = length.map_or(line.len(), |length| value + length);
    }
    if clean.is_empty() { line.into() } else { [&clean, &line[end..]].concat().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(request_line: &[u8], close: Option<CloseReason>) -> String {
        line_of("192.168.0.7", request_line, close)
    }

    fn line_of(client: &str, request_line: &[u8], close: Option<CloseReason>) -> String {
        let peer = "192.168.0.7:5000".parse().unwrap();
        let client = client.parse().unwrap();
        let took = Duration::from_micros(1234);
        Entry { peer, client, request_line, status: 206, sent: 5, due: 10, took, close }.to_string()
    }

    #[test]
    fn a_line_says_who_what_and_how_it_ended() {
        let plain = line(b"GET /video/a.mp4 HTTP/1.1", None);
        assert_eq!(plain, "192.168.0.7:5000 \"GET /video/a.mp4 HTTP/1.1\" 206 5/10 1.2ms");
        let ended = line(b"GET / HTTP/1.1", Some(CloseReason::Stalled));
        assert!(line_of("2001:db8::1", b"GET / HTTP/1.1", None).starts_with("2001:db8::1 \"GET / HTTP/1.1\" 206"));
        assert!(ended.ends_with(" 206 5/10 1.2ms (client stopped reading)"), "{ended}");
    }

    #[test]
    fn the_key_is_not_logged() {
        for (request, want) in [
            ("GET /video/a?key=secret HTTP/1.1", "GET /video/a?key=... HTTP/1.1"),
            ("GET /video/a?download&key=secret&key=other HTTP/1.1", "GET /video/a?download&key=...&key=... HTTP/1.1"),
            ("GET /video/a?key=secret", "GET /video/a?key=..."),
            ("GET /video/a%3Fkey=secret HTTP/1.1", "GET /video/a%3Fkey=... HTTP/1.1"),
            ("GET /video/a%3Fkey%3Dsecret&b HTTP/1.1", "GET /video/a%3Fkey%3D...&b HTTP/1.1"),
            ("GET /video/a?KEY=secret HTTP/1.1", "GET /video/a?KEY=... HTTP/1.1"),
            ("GET /video/;key=secret/a/b.ts HTTP/1.1", "GET /video/;key=.../a/b.ts HTTP/1.1"),
            ("GET /key=secret/a;key=key=secret HTTP/1.1", "GET /key=.../a;key=... HTTP/1.1"),
            ("GET /video/key.mp4?k=1 HTTP/1.1", "GET /video/key.mp4?k=1 HTTP/1.1"),
        ] {
            assert!(line(request.as_bytes(), None).contains(&format!("\"{want}\"")), "{request}");
        }
    }

    #[test]
    fn nothing_a_client_sends_makes_a_second_line_or_closes_the_quotes() {
        let forged = line(b"GET /\" 200\r\n10.0.0.1 \"GET /\x1b[31m\xff\xe2\x80\xae\0\\x", None);
        assert!(!forged.contains(['\r', '\n', '\x1b', '\0']) && forged.is_ascii(), "{forged}");
        assert_eq!(forged.matches('"').count() - forged.matches("\\\"").count(), 2, "{forged}");
        assert!(line(&[b'x'; 9000], None).len() < 1200);
    }
}
