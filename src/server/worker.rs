//! What a worker does with a connection: it serves the client, and then parks the connection or closes it.

use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::connection::{Connection, Context, Next};
use super::limits::{Permit, Stage};
use super::poller::Poller;
use crate::close_reason::CloseReason;
use crate::metrics::Metrics;

/// A connected client. It has one owner at a time: the accept loop, the poller, the pool's queue, or a worker.
pub struct Client {
    pub socket: Arc<TcpStream>,
    pub connection: Connection,
    pub permit: Permit,
}

/// What the accept loop and the workers share.
pub struct Shared {
    pub context: Context,
    pub poller: Poller<Box<Client>>,
}

impl Shared {
    pub fn metrics(&self) -> &Metrics {
        self.context.site.metrics()
    }

    /// Serves a connection until it waits for its client or ends. A panic ends it. `on_long` is called when a response
    /// turns out to be a long one.
    pub fn serve(&self, mut client: Box<Client>, on_long: &mut dyn FnMut()) {
        let Client { socket, connection, .. } = &mut *client;
        let serve = AssertUnwindSafe(|| connection.serve(&mut &**socket, &self.context, on_long));
        let next = catch_unwind(serve).unwrap_or_else(|_| {
            log::error!("worker panicked; closed its connection");
            Next::Close(CloseReason::Panicked)
        });
        match next {
            Next::Close(reason) => self.close(client, reason),
            Next::Park(deadline) => {
                if let Err(client) = self.poller.park(client, |client| &client.socket, deadline) {
                    let stage = self.context.limits.stage();
                    let stopping = stage.close_reason().filter(|_| stage.is_stopping());
                    self.close(client, stopping.unwrap_or(CloseReason::NoResources));
                }
            }
        }
    }

    pub fn close(&self, client: Box<Client>, reason: CloseReason) {
        self.metrics().closed(reason);
        log::debug!("{} closed: {reason:?}", client.connection.peer);
        drop(client);
        // The accept loop may be waiting for a place, or for the last connection.
        if self.context.limits.stage() != Stage::Running {
            self.poller.wake();
        }
    }
}
