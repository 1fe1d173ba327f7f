//! What `--lan` adds: every interface is listened on, and the people at home are told by which addresses their devices
//! reach it.
//!
//! A machine has more addresses than it has names for: of containers and tunnels, of IPv6 by the dozen. The
//! likeliest one comes first, and it is the one in the QR code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// The addresses that stand for every interface; only IPv4's on a machine without IPv6.
pub fn every_interface() -> Vec<IpAddr> {
    let six = IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let has_six = UdpSocket::bind((six, 0)).is_ok();
    std::iter::once(Ipv4Addr::UNSPECIFIED.into()).chain(has_six.then_some(six)).collect()
}

/// Where other devices reach a server that listens on every interface, `listening`; the likeliest first. This
/// machine's own address when no other device can.
pub fn reachable(listening: &[SocketAddr]) -> Vec<SocketAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::warn!("this machine's addresses can't be listed: {error}");
        Vec::new()
    });
    let running = interfaces.iter().filter(|interface| interface.is_oper_up());
    let found = running.map(|interface| Interface {
        address: interface.ip(),
        is_virtual: interface.is_p2p() || is_virtual(&interface.name),
    });
    ranked(found.collect(), listening)
}

/// An address of this machine.
#[derive(Debug, Clone, Copy)]
struct Interface {
    address: IpAddr,
    /// It leads to a container, a virtual machine or a tunnel.
    is_virtual: bool,
}

/// Linux's and macOS's names for what isn't a network card.
fn is_virtual(name: &str) -> bool {
    const STARTS: &[&str] =
        &["docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "cni", "flannel", "lxc", "lxd", "tun", "tap", "wg"];
    STARTS.iter().any(|start| name.starts_with(start)) || name.starts_with("tailscale") || name.starts_with("utun")
}

fn ranked(mut interfaces: Vec<Interface>, listening: &[SocketAddr]) -> Vec<SocketAddr> {
    interfaces.retain(|interface| match interface.address {
        IpAddr::V4(four) => !four.is_loopback(),
        // A link-local address works with the name of an interface alone, which each device has its own for.
        IpAddr::V6(six) => !six.is_loopback() && !six.is_unicast_link_local(),
    });
    interfaces.sort_by_key(|interface| (interface.is_virtual, likelihood(interface.address)));
    let with_port = |address: IpAddr| {
        let listener = listening.iter().find(|listener| listener.is_ipv4() == address.is_ipv4())?;
        Some(SocketAddr::new(address, listener.port()))
    };
    let addresses: Vec<_> = interfaces.iter().filter_map(|interface| with_port(interface.address)).collect();
    if addresses.is_empty() { with_port(Ipv4Addr::LOCALHOST.into()).into_iter().collect() } else { addresses }
}

/// How soon an address is tried: what routers at home give out, then other networks', then IPv6, which is hard to
/// type, and at last what machines choose when there is no router.
fn likelihood(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(four) if four.is_link_local() => 5,
        IpAddr::V4(four) => match four.octets() {
            [192, 168, ..] => 0,
            [10, ..] => 1,
            _ if four.is_private() => 2,
            _ => 3,
        },
        IpAddr::V6(_) => 4,
    }
}

/// A QR code of `text` for a terminal, in black on white whatever the terminal's colours are, since not every camera
/// reads a white one on black. `None` for a text that no QR code holds.
pub fn qr_code(text: &str) -> Option<String> {
    /// Black on white out of the 216 colours that themes leave alone, and back.
    const INK: (&str, &str) = ("\x1b[38;5;16;48;5;231m", "\x1b[0m");
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code.render::<Dense1x2>().build();
    Some(drawn.lines().map(|line| format!("{}{line}{}\n", INK.0, INK.1)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_address_comes_first_and_the_useless_ones_not_at_all() {
        let listening = ["0.0.0.0:8000".parse().unwrap(), "[::]:8001".parse().unwrap()];
        let machine = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("docker0", "172.17.0.1"),
            ("eth1", "169.254.3.4"),
            ("eth0", "fe80::1"),
            ("eth0", "fd00::2"),
            ("wlan0", "10.0.0.3"),
            ("eth0", "192.168.0.2"),
            ("eth2", "203.0.113.9"),
        ];
        let interfaces = |names: &[(&str, &str)]| {
            let interface = |(name, address): &(&str, &str)| Interface {
                address: address.parse().unwrap(),
                is_virtual: is_virtual(name),
            };
            names.iter().map(interface).collect::<Vec<_>>()
        };
        let urls = |found: Vec<SocketAddr>| found.iter().map(ToString::to_string).collect::<Vec<_>>();
        let want = [
            "192.168.0.2:8000",
            "10.0.0.3:8000",
            "203.0.113.9:8000",
            "[fd00::2]:8001",
            "169.254.3.4:8000",
            "172.17.0.1:8000",
        ];
        assert_eq!(urls(ranked(interfaces(&machine), &listening)), want);
        let four = urls(ranked(interfaces(&machine), &listening[..1]));
        assert!(four.iter().all(|url| url.ends_with(":8000")) && four.len() == 5, "{four:?}");
        assert_eq!(urls(ranked(interfaces(&machine[..2]), &listening)), ["127.0.0.1:8000"]);
    }

    #[test]
    fn a_code_fits_a_terminal_of_80_columns_and_24_lines() {
        let code = qr_code("http://192.168.178.200:65535/").unwrap();
        let widths: Vec<_> = code.lines().map(|line| line.chars().filter(|c| " █▀▄".contains(*c)).count()).collect();
        assert!(widths.len() < 20 && widths.iter().all(|width| *width == widths[0] && *width < 80), "{widths:?}");
        let longest = "http://[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535/";
        assert!(qr_code(longest).unwrap().lines().count() < 22);
        assert_eq!(qr_code(&"x".repeat(4000)), None);
    }
}
