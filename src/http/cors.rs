//! Cross-origin requests (the Fetch standard, §3.2), for players on other origins such as cast receivers.

use tiny_http::Method;

use super::request::Head;
use super::response::Response;

/// Response fields that a script may read besides the safelisted ones, and request fields that it may send. Cast
/// receivers ask for `Content-Type` and `Accept-Encoding`.
const EXPOSED: &str = "Content-Range, Content-Length, Accept-Ranges, ETag";
const ALLOWED_FIELDS: &str = "Content-Type, Accept-Encoding, Range, If-Range, If-Match, If-None-Match, \
                              If-Modified-Since, If-Unmodified-Since";

/// The origin whose scripts may read responses; `*` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors(String);

impl std::str::FromStr for Cors {
    type Err = &'static str;

    /// `*`, or an origin as browsers write it: scheme, host, and a port other than the scheme's default.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = text.strip_prefix("http://").or(text.strip_prefix("https://")).unwrap_or_default();
        let default_port = if text.starts_with("https") { ":443" } else { ":80" };
        let is_host = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || "-._:[]".contains(c);
        if text != "*" && (host.is_empty() || host.ends_with(default_port) || !host.chars().all(is_host)) {
            return Err("expected * or an origin like http://tv.local:8080: lower case, no path, no default port");
        }
        Ok(Self(text.into()))
    }
}

impl Cors {
    /// Adds the CORS fields to the response to `head`.
    pub fn permit(&self, response: Response, head: &Head<'_>) -> Response {
        let Self(origin) = self;
        // Vary belongs on every response, also to other origins (§3.2.5).
        let response = if origin == "*" { response } else { response.with("Vary", "Origin") };
        if origin != "*" && head.fields.get("origin") != Some(origin) {
            return response;
        }
        let response = response.with("Access-Control-Allow-Origin", origin.clone());
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
    fn fields_for_each_origin_and_method() {
        let get = "GET / HTTP/1.1\r\nHost: nas\r\n";
        let options = "OPTIONS / HTTP/1.1\r\nHost: nas\r\n";
        let tv = "Origin: http://tv\r\n\r\n";
        let other = "Origin: http://other\r\n\r\n";
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
