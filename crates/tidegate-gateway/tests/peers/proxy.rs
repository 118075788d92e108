//! A line between two regions that can be cut and frozen.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections to whoever listens behind it.
#[derive(Clone)]
pub(crate) struct Proxy {
    address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Connections end, and new ones end at once.
    Cut,
    /// Connections stay, and nothing passes.
    Frozen,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            target: Arc::default(),
            state: watch::Sender::new(State::Open),
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let target = *accepting.target.lock().unwrap();
                tokio::spawn(forward(stream, target, accepting.state.subscribe()));
            }
        });
        proxy
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn lead_to(&self, target: Option<SocketAddr>) {
        *self.target.lock().unwrap() = target;
    }

    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(crate) fn freeze(&self) {
        self.state.send_replace(State::Frozen);
    }

    pub(crate) fn heal(&self) {
        self.state.send_replace(State::Open);
    }
}

async fn forward(
    mut near: TcpStream,
    target: Option<SocketAddr>,
    mut state: watch::Receiver<State>,
) {
    // A frozen line takes connections, as the system does for a process that stands still.
    let now = after(&mut state, State::Frozen).await;
    let (State::Open, Some(target)) = (now, target) else {
        return;
    };
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    let changed = tokio::select! {
        changed = after(&mut state, State::Open) => changed,
        _ = copy_bidirectional(&mut near, &mut far) => return,
    };
    if changed == State::Frozen {
        after(&mut state, State::Frozen).await;
    }
}

/// What the line does once it does not do `this` any more.
async fn after(state: &mut watch::Receiver<State>, this: State) -> State {
    let changed = state.wait_for(|it| *it != this).await;
    changed.map_or(State::Cut, |it| *it)
}
