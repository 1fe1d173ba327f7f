//! A response as a value, and its head as bytes (RFC 9112 §4, §5). `Date` and `Connection` are added when it is sent.

use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use tiny_http::StatusCode;

use super::shared_body::SharedBody;

/// The source of a body. A file is read only while it is sent.
#[derive(Debug)]
pub enum Body {
    Empty,
    /// Bytes of this response alone.
    Bytes(Cow<'static, [u8]>),
    /// Bytes that many responses share, with the origin that stands in this one's URLs.
    Shared(Arc<SharedBody>, String),
    Slice(Arc<File>, Range<u64>),
    /// Slices of an open file, each after an introduction, and a text at the end (`multipart/byteranges`, RFC 9110
    /// §14.6).
    Slices(Arc<File>, Vec<(String, Range<u64>)>, String),
}

impl Body {
    pub fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Shared(body, origin) => body.len(origin),
            Self::Slice(_, range) => range.end - range.start,
            Self::Slices(_, parts, end) => {
                let part = |(intro, range): &(String, Range<u64>)| intro.len() as u64 + range.end - range.start;
                parts.iter().map(part).sum::<u64>() + end.len() as u64
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A response, independent of the connection.
#[derive(Debug)]
#[must_use]
pub struct Response {
    pub status: StatusCode,
    fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The body to send; empty for HEAD, whatever `Content-Length` says.
    pub body: Body,
}

impl Response {
    /// A response of `status` with `body` and its `Content-Length`.
    pub fn new(status: u16, body: Body) -> Self {
        let length = body.len().to_string();
        // A part of a film with CORS has ten.
        let mut fields = Vec::with_capacity(12);
        fields.extend([("Content-Length", length.into()), ("X-Content-Type-Options", "nosniff".into())]);
        Self { status: StatusCode(status), fields, body }
    }

    /// A response with no body and no `Content-Length`, for a status that has none (204, 304; RFC 9110 §8.6).
    pub fn bodiless(status: u16) -> Self {
        Self { status: StatusCode(status), fields: Vec::new(), body: Body::Empty }
    }

    /// A plain text of one `sentence`.
    pub fn text(status: u16, sentence: impl Into<Cow<'static, str>>) -> Self {
        let page = sentence.into().into_owned() + "\n";
        let response = Self::new(status, Body::Bytes(page.into_bytes().into()));
        response.with("Content-Type", "text/plain; charset=utf-8").with("Cache-Control", "no-store")
    }

    /// 503 for a file that the disk or the system fails to read.
    pub(crate) fn unreadable() -> Self {
        Self::text(503, "The file can't be read right now. Try again in a few seconds.").retry_soon()
    }

    /// Adds a `Retry-After` of a few seconds, for a 503 (RFC 9110 §15.6.4).
    pub(crate) fn retry_soon(self) -> Self {
        self.with("Retry-After", "3")
    }

    /// Adds a field. `value` is ASCII without line ends, and never a client's text.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let value = value.into();
        debug_assert!(value.is_ascii() && !value.contains(['\r', '\n', '\0']), "{name}: {value}");
        self.fields.push((name, value));
        self
    }

    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.fields.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Frees the fields' memory, for a body that takes long to send.
    pub fn forget_fields(&mut self) {
        self.fields = Vec::new();
    }

    /// Appends the head to `out`: status line, fields, `Date`, and `Connection` if it has a value.
    pub fn write_head(&self, out: &mut Vec<u8>, date: &str, connection: Option<&str>) {
        let mut line = |parts: &[&str]| parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
        let StatusCode(code) = self.status;
        line(&["HTTP/1.1 ", &code.to_string(), " ", self.status.default_reason_phrase(), "\r\n"]);
        for (name, value) in self.fields() {
            line(&[name, ": ", value, "\r\n"]);
        }
        line(&["Date: ", date, "\r\n"]);
        if let Some(connection) = connection {
            line(&["Connection: ", connection, "\r\n"]);
        }
        line(&["\r\n"]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_as_rfc_9112_has_it() {
        let mut out = Vec::new();
        Response::text(404, "There is no such video.").write_head(&mut out, "now", Some("close"));
        let want = "HTTP/1.1 404 Not Found\r\nContent-Length: 24\r\nX-Content-Type-Options: nosniff\r\n\
                    Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nDate: now\r\n\
                    Connection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
