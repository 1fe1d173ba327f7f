//! Why a connection ended, for the log and the metrics. [`CloseReason::ALL`] has a sentence for each reason.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it between requests.
    ClientClosed,
    /// The client asked for it, or its version of HTTP means it.
    ClientRequested,
    /// No request came within the idle timeout, or none on a new connection within the head timeout.
    IdleTimeout,
    HeadTimeout,
    IncompleteHead,
    BadRequest,
    /// The request had a body, which is never read.
    RequestBody,
    Stalled,
    /// The connection failed while something was sent or received.
    ConnectionLost,
    FileTruncated,
    FileUnreadable,
    /// New connections waited for a place: it was idle, or its response had ended.
    Evicted,
    /// The server is stopping: it was idle, or its response had ended.
    Drained,
    /// The drain timeout ended, or the server stopped at once, before the response had ended.
    Aborted,
    /// It was answered 503 instead of being admitted.
    Refused,
    /// The system couldn't watch the socket.
    NoResources,
    Panicked,
}

impl CloseReason {
    /// Every reason, in order, with its label in the metrics and its sentence in the log. There is no sentence if the
    /// client closed the connection or asked for that.
    const ALL: [(Self, &'static str, Option<&'static str>); 17] = [
        (Self::ClientClosed, "client_closed", None),
        (Self::ClientRequested, "client_requested", None),
        (Self::IdleTimeout, "idle_timeout", Some("idle timeout")),
        (Self::HeadTimeout, "head_timeout", Some("the request head timed out")),
        (Self::IncompleteHead, "incomplete_head", Some("client closed in the middle of a request head")),
        (Self::BadRequest, "bad_request", Some("malformed request")),
        (Self::RequestBody, "request_body", Some("the request has a body")),
        (Self::Stalled, "stalled", Some("client stopped reading")),
        (Self::ConnectionLost, "connection_lost", Some("connection lost")),
        (Self::FileTruncated, "file_truncated", Some("the file was truncated")),
        (Self::FileUnreadable, "file_unreadable", Some("the file could not be read")),
        (Self::Evicted, "evicted", Some("closed to make room for a new connection")),
        (Self::Drained, "drained", Some("the server is stopping")),
        (Self::Aborted, "aborted", Some("the server stopped")),
        (Self::Refused, "refused", Some("refused")),
        (Self::NoResources, "no_resources", Some("out of system resources")),
        (Self::Panicked, "panicked", Some("internal error")),
    ];

    pub const COUNT: usize = Self::ALL.len();

    pub fn labels() -> [&'static str; Self::COUNT] {
        Self::ALL.map(|(_, label, _)| label)
    }

    pub fn sentence(self) -> Option<&'static str> {
        Self::ALL[self as usize].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_at_its_own_index_and_has_its_own_label() {
        for (at, (reason, ..)) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at, "{reason:?}");
        }
        let labels: std::collections::HashSet<_> = CloseReason::labels().into();
        assert_eq!(labels.len(), CloseReason::COUNT);
    }
}
