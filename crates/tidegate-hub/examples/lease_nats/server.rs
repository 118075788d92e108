//! A `nats-server` of our own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const USER: &str = "tidegate";
pub(crate) const PASSWORD: &str = "a-password-for-tests";

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    program: String,
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Server {
    /// Starts one on a port that it chooses.
    pub(crate) fn start(program: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(program, folder.path(), None);
        let port = port(folder.path(), child.id());
        Self {
            program: program.to_owned(),
            folder,
            port,
            child,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends it without giving it time for anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, where it was and with what it had on its disk.
    pub(crate) async fn again(&mut self) {
        self.child = spawn(&self.program, self.folder.path(), Some(self.port));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                begun.elapsed() < PATIENCE,
                "the server does not listen again"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.unwrap().success(), "{name}");
    }

    pub(crate) fn stop(mut self) {
        self.kill();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn spawn(program: &str, folder: &Path, port: Option<u16>) -> Child {
    let config = folder.join("server.conf");
    let port = port.map_or(-1, i32::from);
    let text = format!(
        "listen: 127.0.0.1:{port}\n\
         ports_file_dir: \"{0}\"\n\
         authorization {{ user: {USER}, password: \"{PASSWORD}\" }}\n\
         jetstream {{ store_dir: \"{0}/data\", sync_interval: always }}\n",
        folder.display()
    );
    fs::write(&config, text).unwrap();
    let log = fs::File::create(folder.join("server.log")).unwrap();
    Command::new(program)
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The port it wrote down: `nats-server_PID.ports` holds its URLs by kind.
fn port(folder: &Path, pid: u32) -> u16 {
    let file: PathBuf = folder.join(format!("nats-server_{pid}.ports"));
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let read: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let url = read.and_then(|it| it["nats"][0].as_str().map(str::to_owned));
        if let Some(port) = url.and_then(|url| url.rsplit_once(':')?.1.parse().ok()) {
            return port;
        }
        let log = || fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        assert!(
            begun.elapsed() < PATIENCE,
            "the server does not start: {}",
            log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
