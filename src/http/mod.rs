//! RFC 9110 and 9112 for a server of files: values in, values out, no sockets.

pub mod auth;
pub mod content_disposition;
pub mod content_type;
pub mod cors;
pub mod date;
pub mod forwarded;
pub mod precondition;
pub mod range;
pub mod request;
pub mod response;
pub mod shared_body;
pub mod target;

pub use tiny_http::{HTTPVersion, Method, StatusCode};
