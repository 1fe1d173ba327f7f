//! The head of a request (RFC 9112 §2 to §6). A head that two implementations could read differently is refused, so
//! that no request is smuggled; `docs/HTTP.md` has a table of these.

use tiny_http::{HTTPVersion, Method};

/// The longest line of a head, in bytes with its CRLF. RFC 9112 §3 recommends at least 8000.
pub const MAX_LINE: usize = 8 * 1024;

/// The longest head, in bytes with all line ends. Browsers stay far below.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most field lines in a head. Browsers send about twenty.
pub const MAX_FIELDS: usize = 64;

/// The longest host with its port, in bytes. A name has at most 253 (RFC 1035 §2.3.4).
pub const MAX_AUTHORITY: usize = 255;

/// Blank lines skipped before a request line. §2.2 asks for one: old clients sent it after a body.
const MAX_BLANK_LINES: usize = 4;

/// Why a head is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadError {
    RequestLineTooLong,
    FieldLineTooLong,
    HeadTooLong,
    TooManyFields,
    TooManyBlankLines,
    BareLineFeed,
    BareCarriageReturn,
    /// The first byte is that of a TLS record: the client wants https.
    TlsHello,
    MalformedRequestLine,
    /// Neither origin-form, absolute-form nor another form that the method allows.
    MalformedTarget,
    UnsupportedVersion,
    MalformedField,
    MissingHost,
    MalformedHost,
    AmbiguousFraming,
    UnknownTransferCoding,
}

impl HeadError {
    /// The status code and the text of the response.
    pub fn response(self) -> (u16, &'static str) {
        match self {
            Self::RequestLineTooLong => (414, "The URL is too long. The limit is 8 KiB."),
            Self::FieldLineTooLong => (431, "A header field is too long. The limit is 8 KiB."),
            Self::HeadTooLong => (431, "The request head is too long. The limit is 16 KiB."),
            Self::TooManyFields => (431, "The request has too many header fields. The limit is 64."),
            Self::TooManyBlankLines => (400, "The request begins with too many blank lines."),
            Self::BareLineFeed => (400, "A line ends in LF alone. HTTP lines end in CR LF."),
            Self::BareCarriageReturn => (400, "The request has a CR without an LF after it."),
            Self::TlsHello => (400, "This server has no HTTPS. Use http:// instead of https://."),
            Self::MalformedRequestLine => (400, "The first line is not an HTTP/1.1 request line."),
            Self::MalformedTarget => (400, "The request target is not a path on this server."),
            Self::UnsupportedVersion => (505, "This server supports only HTTP/1.0 and HTTP/1.1."),
            Self::MalformedField => (400, "A header field does not have the form \"name: value\"."),
            Self::MissingHost => (400, "The request has no Host field. HTTP/1.1 requires one."),
            Self::MalformedHost => (400, "The request must have one Host field with a valid host."),
            Self::AmbiguousFraming => (400, "The length of the request's body is ambiguous."),
            Self::UnknownTransferCoding => (501, "This server does not support the request's transfer coding."),
        }
    }
}

/// Looks for the end of a head while bytes arrive, at each byte once, and enforces the limits.
#[derive(Debug, Default)]
pub struct HeadScan {
    /// The end of the scanned bytes.
    at: usize,
    /// The start of the line at `at`.
    line: usize,
    /// The start of the request line, if it has begun.
    start: Option<usize>,
    /// Complete lines: of blank ones, then of the request line and fields.
    lines: usize,
    request_line_checked: bool,
}

impl HeadScan {
    /// Scans the bytes added to `buffer` since the last call. Returns the range of a complete head, with its blank
    /// line; the next request follows it. It may be refused before it is complete.
    pub fn advance(&mut self, buffer: &[u8]) -> Result<Option<std::ops::Range<usize>>, HeadError> {
        if buffer.first() == Some(&0x16) {
            return Err(HeadError::TlsHello);
        }
        while let Some(length) = buffer[self.at..].iter().position(|&b| b == b'\n') {
            let end = self.at + length + 1;
            self.check_line_length(end)?;
            let blank = check_line_end(&buffer[self.line..end])?;
            match self.start {
                None if blank && self.lines == MAX_BLANK_LINES => return Err(HeadError::TooManyBlankLines),
                None if blank => {}
                None => {
                    self.start = Some(self.line);
                    self.lines = 0;
                }
                Some(start) if blank => return Ok(Some(start..end)),
                Some(_) if self.lines > MAX_FIELDS => return Err(HeadError::TooManyFields),
                Some(_) => {}
            }
            self.lines += 1;
            self.at = end;
            self.line = end;
            if end > MAX_HEAD {
                return Err(HeadError::HeadTooLong);
            }
        }
        if let Some(start) = self.start
            && !self.request_line_checked
        {
            // An HTTP/0.9 client sends only this line, and would wait forever.
            parse_request_line(&buffer[start..self.line])?;
            self.request_line_checked = true;
        }
        self.at = buffer.len();
        self.check_line_length(self.at)?;
        if self.at > MAX_HEAD { Err(HeadError::HeadTooLong) } else { Ok(None) }
    }

    fn check_line_length(&self, end: usize) -> Result<(), HeadError> {
        match self.start {
            _ if end - self.line <= MAX_LINE => Ok(()),
            None => Err(HeadError::RequestLineTooLong),
            Some(_) => Err(HeadError::FieldLineTooLong),
        }
    }
}

/// Whether a line is blank. Refuses an LF without CR, and a CR elsewhere.
fn check_line_end(line: &[u8]) -> Result<bool, HeadError> {
    let Some(content) = line.strip_suffix(b"\r\n") else { return Err(HeadError::BareLineFeed) };
    if content.contains(&b'\r') {
        return Err(HeadError::BareCarriageReturn);
    }
    Ok(content.is_empty())
}

/// The fields of a head, in order. Names are case-insensitive.
#[derive(Debug, Default)]
pub struct Fields<'b>(Vec<httparse::Header<'b>>);

impl<'b> Fields<'b> {
    /// Fields from another parser, as pairs of name and value.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (&'b str, &'b [u8])>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| httparse::Header { name, value }).collect())
    }

    /// The values of all lines of the field `name`.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'b [u8]> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of the field `name`; `None` if it is absent, repeated or not ASCII.
    pub fn get(&self, name: &str) -> Option<&'b str> {
        let mut values = self.all(name);
        let only = values.next().filter(|_| values.next().is_none())?;
        std::str::from_utf8(only).ok().filter(|value| value.is_ascii())
    }

    /// Whether the list field `name` contains `token`, in any case (RFC 9110 §5.6.1).
    pub fn lists(&self, name: &str, token: &str) -> bool {
        let is_token = |element: &[u8]| element.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
        self.all(name).any(|value| value.split(|&b| b == b',').any(is_token))
    }
}

/// The head of a request. It borrows the parsed bytes.
#[derive(Debug)]
pub struct Head<'b> {
    /// The method, case-sensitive (§9.1); an unknown one is `NonStandard`.
    pub method: Method,
    /// Path and query in origin-form; `*` for OPTIONS, the authority for CONNECT.
    pub target: &'b str,
    pub version: HTTPVersion,
    pub fields: Fields<'b>,
    /// Host and port, from the target or the Host field. Empty for HTTP/1.0 without either.
    pub authority: &'b str,
    /// Whether the client uses https, as far as a proxy tells.
    pub is_https: bool,
    /// A body follows the head. It is never read, so the connection must be closed after the response.
    pub has_body: bool,
}

impl<'b> Head<'b> {
    /// Parses a complete head, from request line to blank line, as found by [`HeadScan`]. If it is refused, the
    /// connection can't be used for another request.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, HeadError> {
        let line_end = bytes.iter().position(|&b| b == b'\n').ok_or(HeadError::MalformedRequestLine)? + 1;
        let (method, target, version) = parse_request_line(&bytes[..line_end])?;
        let fields = parse_fields(&bytes[line_end..])?;
        let (authority, target) = split_target(&method, target)?;
        let host = parse_host(&fields, &version)?;
        let has_body = declares_body(&fields, &version)?;
        Ok(Self { method, target, version, fields, authority: authority.unwrap_or(host), is_https: false, has_body })
    }

    /// Whether the connection persists after the response (RFC 9112 §9.3).
    pub fn keeps_alive(&self) -> bool {
        let close = self.fields.lists("connection", "close");
        !close && (self.version >= HTTPVersion(1, 1) || self.fields.lists("connection", "keep-alive"))
    }
}

fn parse_request_line(bytes: &[u8]) -> Result<(Method, &str, HTTPVersion), HeadError> {
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| HeadError::MalformedRequestLine)?;
    let mut words = line.trim_end_matches('\r').split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HeadError::MalformedRequestLine);
    };
    let version = parse_version(version)?;
    if target.is_empty() || target.chars().any(|c| c.is_control()) {
        return Err(HeadError::MalformedTarget);
    }
    // RFC 9110 §9.1: a token (§5.6.2), case-sensitive.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let method = Some(method).filter(|token| !token.is_empty() && token.bytes().all(is_token));
    let method = method.and_then(|token| token.parse().ok()).ok_or(HeadError::MalformedRequestLine)?;
    Ok((method, target, version))
}

/// §2.3: `HTTP/` and two digits.
fn parse_version(version: &str) -> Result<HTTPVersion, HeadError> {
    match version.strip_prefix("HTTP/").map(str::as_bytes) {
        Some([b'1', b'.', minor @ b'0'..=b'9']) => Ok(HTTPVersion(1, minor - b'0')),
        Some([b'0'..=b'9', b'.', b'0'..=b'9']) => Err(HeadError::UnsupportedVersion),
        _ => Err(HeadError::MalformedRequestLine),
    }
}

/// Not inlined, or its 2 KiB of stack would become its caller's, and a page of memory for each stream.
#[inline(never)]
fn parse_fields(bytes: &[u8]) -> Result<Fields<'_>, HeadError> {
    let mut slots = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(bytes, &mut slots) {
        Ok(httparse::Status::Complete((_, fields))) => Ok(Fields(fields.to_vec())),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyFields),
        Ok(httparse::Status::Partial) | Err(_) => Err(HeadError::MalformedField),
    }
}

/// §3.2: the target's authority, if any, and the path with its query.
pub(crate) fn split_target<'b>(method: &Method, target: &'b str) -> Result<(Option<&'b str>, &'b str), HeadError> {
    if target.contains('#') {
        return Err(HeadError::MalformedTarget);
    }
    if target.starts_with('/') || (target == "*" && *method == Method::Options) {
        return Ok((None, target));
    }
    if *method == Method::Connect && is_authority(target) {
        return Ok((Some(target), target));
    }
    let scheme = target.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let rest = scheme.map(|scheme| &target[scheme.len()..]).ok_or(HeadError::MalformedTarget)?;
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() || !is_authority(authority) {
        return Err(HeadError::MalformedTarget);
    }
    let path = match path {
        "" if *method == Method::Options => "*",
        // The empty path is `/`. The query of `http://host?query` is dropped.
        path if path.starts_with('/') => path,
        _ => "/",
    };
    Ok((Some(authority), path))
}

/// §3.2: exactly one Host in HTTP/1.1, at most one in HTTP/1.0; it may be empty.
fn parse_host<'b>(fields: &Fields<'b>, version: &HTTPVersion) -> Result<&'b str, HeadError> {
    let mut hosts = fields.all("host");
    match (hosts.next(), hosts.next()) {
        (None, _) if *version >= HTTPVersion(1, 1) => Err(HeadError::MissingHost),
        (None, _) => Ok(""),
        (Some(host), None) => {
            std::str::from_utf8(host).ok().filter(|host| is_authority(host)).ok_or(HeadError::MalformedHost)
        }
        (Some(_), Some(_)) => Err(HeadError::MalformedHost),
    }
}

/// RFC 3986 §3.2.2 and §3.2.3: a name, an IPv4 address or an IPv6 address in brackets, optionally with a port.
pub(crate) fn is_authority(text: &str) -> bool {
    if text.len() > MAX_AUTHORITY {
        return false;
    }
    let (host, rest) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b)) {
                return false;
            }
            ("", rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port_is_good = rest.is_empty() || rest.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    port_is_good && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b))
}

/// §6.1 to §6.3: whether a body follows. Ambiguous framing is refused.
fn declares_body(fields: &Fields<'_>, version: &HTTPVersion) -> Result<bool, HeadError> {
    let mut length = None;
    // Repeated equal values, in several lines or in a list, are one (§6.3).
    for value in fields.all("content-length").flat_map(|line| line.split(|&b| b == b',')) {
        let digits = std::str::from_utf8(value.trim_ascii()).unwrap_or_default();
        let number = digits.parse::<u64>().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        let number = number.ok_or(HeadError::AmbiguousFraming)?;
        if *length.get_or_insert(number) != number {
            return Err(HeadError::AmbiguousFraming);
        }
    }
    match fields.get("transfer-encoding") {
        _ if !fields.has("transfer-encoding") => Ok(length > Some(0)),
        _ if length.is_some() || *version < HTTPVersion(1, 1) => Err(HeadError::AmbiguousFraming),
        Some(coding) if coding.trim().eq_ignore_ascii_case("chunked") => Ok(true),
        Some(_) => Err(HeadError::UnknownTransferCoding),
        None => Err(HeadError::AmbiguousFraming),
    }
}

#[cfg(test)]
mod tests;
