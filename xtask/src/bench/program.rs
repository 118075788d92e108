//! A program under measurement: started, watched through `/proc`, and ended by its process id.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// How long a program may take until it serves: rebuilding views of millions of events is included.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// How long a program may take to end after it was asked to.
const END_WITHIN: Duration = Duration::from_secs(60);

/// Between two questions whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(1);

/// A running program; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    name: String,
}

impl Program {
    /// Starts a command; what it prints is dropped, but for its first line if `first_line` wants it.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        Ok(Self { child, name })
    }

    /// The first line it prints; the rest is read and dropped, so that it never waits for a reader.
    ///
    /// # Errors
    /// When it prints none.
    pub(crate) fn first_line(&mut self) -> Result<String> {
        let output = self.child.stdout.take().context("the output is taken")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        output.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{} said nothing and ended", self.name);
        thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()).ok());
        Ok(line.trim().to_owned())
    }

    /// Waits until `GET path` at `address` is answered 200, and tells how long that took.
    ///
    /// # Errors
    /// When the program ends, or is not ready in time.
    pub(crate) fn ready(&mut self, address: SocketAddr, path: &str) -> Result<Duration> {
        if let Some(mut output) = self.child.stdout.take() {
            thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()).ok());
        }
        let begun = Instant::now();
        loop {
            if get(address, path).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
                return Ok(begun.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status} before it was ready", self.name);
            }
            ensure!(
                begun.elapsed() < READY_WITHIN,
                "{} was not ready within {READY_WITHIN:?}",
                self.name
            );
            thread::sleep(ASK_EVERY);
        }
    }

    /// Memory it holds, in MB of 10^6 bytes.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn rss_mb(&self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: f64 = kib.context("there is no VmRSS")?.trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// Processor time it has used, user and system.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold anything: state is field 3, utime and stime are 14 and 15.
        let (_, fields) = stat.rsplit_once(") ").context("there is no stat")?;
        let ticks = |field: usize| -> Result<u64> {
            let text = fields.split(' ').nth(field - 3).context("stat is short")?;
            Ok(text.parse()?)
        };
        Ok(Duration::from_millis(
            (ticks(14)? + ticks(15)?) * MILLIS_PER_TICK,
        ))
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// When it fails, or does not end in time; it is killed then.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status()?;
        ensure!(asked.success(), "{} had ended already", self.name);
        let begun = Instant::now();
        while begun.elapsed() < END_WITHIN {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "{} ended with {status}", self.name);
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("{} did not end within {END_WITHIN:?}", self.name);
    }

    /// Kills it without a word.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only if it has ended.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// `USER_HZ`, which Linux fixes at 100 a second for what it shows of processes (proc(5)).
const MILLIS_PER_TICK: u64 = 10;

/// The whole answer to a plain GET.
fn get(address: SocketAddr, path: &str) -> Result<String> {
    const TIMEOUT: Duration = Duration::from_secs(5);
    /// Far more than the metrics of a node with a few flows.
    const ANSWER_BYTES_MAX: u64 = 4 << 20;
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The body of the answer to a plain GET.
///
/// # Errors
/// When there is none, or its status is not 200.
pub(crate) fn body_of(address: SocketAddr, path: &str) -> Result<String> {
    let answer = get(address, path)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    Ok(body.to_owned())
}

/// A loopback address that was free a moment ago.
///
/// # Errors
/// When the system has none.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("there is no free port")?;
    Ok(listener.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_seen_while_it_runs_and_ends_with_its_handle() {
        let mut program =
            Program::start(Command::new("sh").args(["-c", "echo ready; exec sleep 60"])).unwrap();
        assert_eq!(program.first_line().unwrap(), "ready");
        assert!(program.rss_mb().unwrap() > 0.0);
        assert!(program.cpu().unwrap() < Duration::from_secs(60));
        let proc = format!("/proc/{}", program.child.id());
        program.kill();
        assert!(!std::path::Path::new(&proc).exists());
    }

    #[test]
    fn a_program_that_ends_early_is_no_longer_waited_for() {
        let mut program = Program::start(&mut Command::new("true")).unwrap();
        let error = program.ready(free_address().unwrap(), "/").unwrap_err();
        assert!(error.to_string().contains("before it was ready"), "{error}");
    }

    #[test]
    fn an_end_by_a_signal_is_a_failure() {
        let mut program =
            Program::start(Command::new("sh").args(["-c", "echo ready; exec sleep 60"])).unwrap();
        program.first_line().unwrap();
        assert!(program.stop().is_err());
    }
}
