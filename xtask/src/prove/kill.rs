//! `prove kill`: SIGKILL at random moments under load, during starts and during trims.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

use super::crash::{Node, Plan, Setup, Trial};
use super::figures::Figures;
use super::program::{Profile, build};
use crate::catalogue::{Item, again_optimised};
use crate::workspace::Workspace;

/// The proof.
pub(crate) const ITEM: Item = Item {
    name: "kill",
    about: "kill -9 at random moments: nothing acknowledged is lost, no repeat is appended",
    run,
};

/// First acknowledgements since the last kill.
const LEAST: usize = 1000;
const LEAST_SAMPLE: usize = 300;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask prove kill", no_binary_name = true)]
struct Args {
    /// Kills under load; those during starts come on top
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// A short run in a development build: 10 kills, with less between them
    #[arg(long)]
    sample: bool,
    /// Where chance begins
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The program instead of the one that is built here
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// What is special about a data directory.
struct Scene {
    name: &'static str,
    segment: &'static str,
    size_max: &'static str,
    large: u64,
    window: usize,
}

/// A log that keeps everything, and one that is always being trimmed.
const SCENES: [Scene; 2] = [
    Scene {
        name: "keeping",
        segment: "16MiB",
        size_max: "64GiB",
        large: 2,
        window: usize::MAX,
    },
    Scene {
        name: "trimming",
        segment: "1MiB",
        size_max: "256MiB",
        large: 20,
        window: 2000,
    },
];

fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let parsed = Args::parse_from(args);
    if !parsed.sample
        && let Some(done) = again_optimised(workspace, "prove", ITEM.name, args)?
    {
        return Ok(done);
    }
    let figures = prove(workspace, &parsed)?;
    print!("{figures}");
    figures.save(workspace, parsed.sample)?;
    Ok(figures.good())
}

fn prove(workspace: &Workspace, args: &Args) -> Result<Figures> {
    let profile = if args.sample {
        Profile::Development
    } else {
        Profile::Release
    };
    let program = build(workspace, profile, args.program.clone())?;
    let mut figures = Figures::new(ITEM.name);
    figures.say("seed", args.seed);
    figures.say("build", profile.of(args.program.is_some()));
    let kills = if args.sample { 10 } else { args.kills };
    // The trimming log takes a third.
    let parts = [kills - kills / 3, kills / 3];
    for (scene, kills) in SCENES.iter().zip(parts) {
        one(workspace, args, &program, scene, kills, &mut figures)?;
    }
    Ok(figures)
}

fn one(
    workspace: &Workspace,
    args: &Args,
    program: &std::path::Path,
    scene: &Scene,
    kills: u32,
    figures: &mut Figures,
) -> Result<()> {
    let folder = workspace.target().join("proofs/kill").join(scene.name);
    let setup = Setup {
        program: program.to_owned(),
        data: folder.join("data"),
        folder,
        segment: scene.segment,
        size_max: scene.size_max,
        env: Vec::new(),
    };
    Trial::remove(&setup)?;
    let least = if args.sample { LEAST_SAMPLE } else { LEAST };
    let plan = Plan {
        seed: args.seed,
        senders: 16,
        large: scene.large,
        window: scene.window,
        least,
        within: Duration::from_millis(400),
    };
    let mut trial = Trial::new(setup.clone(), plan)?;
    let (mut done, mut starting) = (0, 0);
    for kill in 1..=kills {
        trial.live(Node::kill)?;
        done = kill;
        if !trial.check()? {
            break;
        }
        // Every third time the next start, or its recovery, is killed too.
        if kill.is_multiple_of(3) {
            starting += u32::from(trial.killed_while_starting()?);
        }
        if kill.is_multiple_of(10) {
            println!("{}: {kill} of {kills} kills", scene.name);
        }
    }
    let tallied = trial.finish()?;
    figures.section(format!(
        "a log {} (segments of {}, at most {})",
        scene.name, scene.segment, scene.size_max
    ));
    figures.say("kills under load", done);
    figures.say("acknowledged between two kills, at least", least);
    figures.say("kills during a start, on top", starting);
    figures.tallied(&tallied);
    figures.demand(done == kills, || format!("{done} kills instead of {kills}"));
    // A sample is too short to fill a log.
    let trims = scene.window != usize::MAX && !args.sample;
    figures.demand(!trims || tallied.first_frame > 1, || {
        "nothing was trimmed: frame 1 is still there".to_owned()
    });
    if tallied.breaches.is_empty() {
        Trial::remove(&setup)?;
    } else {
        println!(
            "history, log lines and data are kept in {}",
            setup.folder.display()
        );
    }
    Ok(())
}
