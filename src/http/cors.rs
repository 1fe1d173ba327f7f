//! Cross-origin requests (the Fetch standard, §3.2): what players on other origins, cast receivers for one, may read.

use tiny_http::Method;

use super::request::Head;
use super::response::Response;

/// What a script of another origin may read of a response, beyond what it always may.
const EXPOSED: &str = "Content-Range, Content-Length, Accept-Ranges, ETag";

/// What it may send.
const ALLOWED_FIELDS: &str = "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since";

/// Who else may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// Everybody: `*`.
    Anyone,
    /// Scripts of this one origin.
    Origin(String),
}

impl std::str::FromStr for Cors {
    type Err = &'static str;

    /// `*`, or an origin as browsers write it: scheme, host, and a port that isn't the scheme's own.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self::Anyone);
        }
        let host = text.strip_prefix("http://").or(text.strip_prefix("https://")).unwrap_or_default();
        let own_port = if text.starts_with("https") { ":443" } else { ":80" };
        let is_host = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || "-._:[]".contains(c);
        if host.is_empty() || host.ends_with(own_port) || !host.chars().all(is_host) {
            return Err(
                "write it like http://tv.local:8080, in lower case, without a path and without a port that goes without saying, or *",
            );
        }
        Ok(Self::Origin(text.into()))
    }
}

impl Cors {
    /// Adds to `response` what the browser behind `head` needs to let its script read it.
    pub fn permit(&self, response: Response, head: &Head<'_>) -> Response {
        match self {
            Self::Anyone => Self::fields(response, "*".into(), head),
            // The answer depends on who asks, whoever that is (§3.2.5).
            Self::Origin(origin) if head.fields.get("origin") == Some(origin) => {
                Self::fields(response.with("Vary", "Origin"), origin.clone(), head)
            }
            Self::Origin(_) => response.with("Vary", "Origin"),
        }
    }

    fn fields(response: Response, origin: String, head: &Head<'_>) -> Response {
        let response = response.with("Access-Control-Allow-Origin", origin);
        if head.method != Method::Options {
            return response.with("Access-Control-Expose-Headers", EXPOSED);
        }
        response
            .with("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
            .with("Access-Control-Allow-Headers", ALLOWED_FIELDS)
            .with("Access-Control-Max-Age", "86400")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(cors: &str, request: &str) -> Response {
        let head = Head::parse(request.as_bytes()).unwrap();
        cors.parse::<Cors>().unwrap().permit(Response::text(200, "ok"), &head)
    }

    #[test]
    fn who_may_read_what() {
        let (get, options) = ("GET / HTTP/1.1\r\nHost: nas\r\n", "OPTIONS / HTTP/1.1\r\nHost: nas\r\n");
        let (tv, other) = ("Origin: http://tv\r\n\r\n", "Origin: http://other\r\n\r\n");
        let rows = [
            ("*", get, "\r\n", Some("*"), None, true),
            ("*", get, other, Some("*"), None, true),
            ("*", options, other, Some("*"), None, false),
            ("http://tv", get, tv, Some("http://tv"), Some("Origin"), true),
            ("http://tv", options, tv, Some("http://tv"), Some("Origin"), false),
            ("http://tv", get, other, None, Some("Origin"), false),
            ("http://tv", get, "\r\n", None, Some("Origin"), false),
        ];
        for (cors, method, origin, allowed, vary, exposed) in rows {
            let response = permitted(cors, &format!("{method}{origin}"));
            assert_eq!(response.field("access-control-allow-origin"), allowed, "{cors} {method}{origin}");
            assert_eq!(response.field("vary"), vary, "{cors} {method}{origin}");
            assert_eq!(response.field("access-control-expose-headers").is_some(), exposed, "{cors} {method}{origin}");
        }
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for good in ["*", "http://tv", "https://tv.local:8443", "http://[fd00::1]:81"] {
            assert!(good.parse::<Cors>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "tv",
            "http://",
            "http://tv/",
            "HTTP://tv",
            "http://TV",
            "http://a b",
            "http://a\r\nX: y",
            "null",
            "http://tv:80",
            "https://tv:443",
        ] {
            assert!(bad.parse::<Cors>().is_err(), "{bad:?}");
        }
    }
}
