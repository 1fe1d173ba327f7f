//! RFC 9110 and 9112 for a server of files.
//!
//! Values in, values out: no sockets, no files. [`request`] parses a head, [`precondition`] and [`range`] select what
//! to send, [`response`] writes a head.

pub mod content_disposition;
pub mod content_type;
pub mod cors;
pub mod date;
pub mod precondition;
pub mod range;
pub mod request;
pub mod response;
pub mod target;

pub use tiny_http::{HTTPVersion, Method, StatusCode};
