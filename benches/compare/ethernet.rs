//! A cable: a veth pair (veth(4)) at Ethernet's MTU between this program and a network namespace for the servers.
//!
//! Its addresses are of the network that is for measuring networks (198.18.0.0/15, RFC 2544), and no route leads out of
//! it. It takes root and Debian's iproute2; whoever has not got them compares without it. It is gone with the value.

use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};

use crate::rounds::Outcome;

/// The servers' end. Ours is the address before it.
pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 0, 2));

/// See the module.
pub struct Cable {
    namespace: String,
}

impl Cable {
    /// Lays it.
    ///
    /// # Errors
    /// What `ip` says, or that it isn't there.
    pub fn lay() -> Outcome<Self> {
        let namespace = format!("filmstrip-{}", std::process::id());
        ip(&format!("netns add {namespace}"))?;
        let cable = Self { namespace };
        let (near, far) = (format!("fs{}a", std::process::id()), "eth0");
        for command in [
            format!("link add {near} mtu 1500 type veth peer name {far} mtu 1500 netns {}", cable.namespace),
            format!("address add 198.18.0.1/30 dev {near}"),
            format!("link set {near} up"),
            format!("-netns {} address add {ADDRESS}/30 dev {far}", cable.namespace),
            format!("-netns {} link set {far} up", cable.namespace),
        ] {
            ip(&command)?;
        }
        Ok(cable)
    }

    /// `command`, to be run at the far end. It is the same process: `ip` becomes the program.
    pub fn at_far_end(&self, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.namespace]).arg(command.get_program()).args(command.get_args());
        there.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        there
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The pair goes with its far end.
        let _ = ip(&format!("netns delete {}", self.namespace));
    }
}

fn ip(command: &str) -> Outcome<()> {
    let outcome = Command::new("ip").args(command.split(' ')).stdin(Stdio::null()).output();
    let outcome = outcome.map_err(|_| "ip is not installed (Debian: apt-get install iproute2)")?;
    match outcome.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&outcome.stderr).lines().next().unwrap_or("ip failed").into()),
    }
}
