//! The terminal: what comes from its keys and from the host, and what is drawn. However this ends, the terminal is as before.

use std::io;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::client::{AdminClient, AdminError};
use super::details::Details;
use super::state::{KeyEffect, State};
use super::stats::Stats;
use super::view::{Theme, draw};

/// The time from one request for figures to the next.
const INTERVAL: Duration = Duration::from_secs(1);

/// What may change what is shown.
enum Message {
    Terminal(io::Result<Event>),
    Stats(Box<Stats>),
    Details(Details),
    Away(AdminError),
    /// A signal with this number.
    Signal(i32),
    /// Nothing more is asked.
    Ended,
}

/// Puts the terminal back when it is dropped.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        // It also puts the terminal back before a panic is told.
        ratatui::try_init().map(Self).inspect_err(|_| _ = ratatui::try_restore())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        _ = ratatui::try_restore();
        _ = self.0.show_cursor();
    }
}

/// Tells the end of the thread that asks, however it ends.
struct EndGuard(Sender<Message>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        _ = self.0.send(Message::Ended);
    }
}

/// Shows figures until the user quits, or a signal ends it.
pub(super) fn run(runtime: Runtime, client: AdminClient, mut state: State, theme: Theme) -> anyhow::Result<ExitCode> {
    let (sender, messages) = channel();
    let (wanted, wants_details) = watch::channel(false);
    let signals = {
        let _context = runtime.enter();
        signals()?
    };
    let mut screen = Screen::open()?;
    let guard = EndGuard(sender.clone());
    std::thread::Builder::new().name("figures".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = ask(client, &guard.0, wants_details) => {}
                number = signalled(signals) => {
                    _ = guard.0.send(Message::Signal(number));
                }
            }
        });
    })?;
    // It waits for a key when the process ends.
    std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.send(Message::Terminal(event)).is_err() || is_last {
                return;
            }
        }
    })?;
    show(&mut screen, &mut state, theme, &messages, &wanted)
}

fn show(
    screen: &mut Screen,
    state: &mut State,
    theme: Theme,
    messages: &Receiver<Message>,
    wanted: &watch::Sender<bool>,
) -> anyhow::Result<ExitCode> {
    loop {
        screen.0.draw(|frame| draw(frame, state, theme))?;
        let Ok(message) = messages.recv() else { return Ok(ExitCode::FAILURE) };
        match message {
            Message::Terminal(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                if state.press(key) == KeyEffect::Quit {
                    return Ok(ExitCode::SUCCESS);
                }
                let is_wanted = state.wants_details();
                wanted.send_if_modified(|wanted| std::mem::replace(wanted, is_wanted) != is_wanted);
            }
            // Another size is drawn anew.
            Message::Terminal(Ok(_)) => {}
            Message::Terminal(Err(error)) => return Err(error.into()),
            Message::Stats(stats) => state.take(*stats),
            Message::Details(details) => state.details = Some(details),
            Message::Away(error) => state.away = Some(error.to_string()),
            // As a shell has it.
            Message::Signal(number) => {
                return Ok(ExitCode::from(128_u8.saturating_add(number.try_into().unwrap_or(0))));
            }
            Message::Ended => return Ok(ExitCode::FAILURE),
        }
    }
}

/// Asks for figures each second, and for more if that is wanted and may have changed.
async fn ask(mut client: AdminClient, sender: &Sender<Message>, mut wants_details: watch::Receiver<bool>) {
    let mut known = None;
    loop {
        let next = tokio::time::Instant::now() + INTERVAL;
        let message = match stats(&mut client).await {
            Ok(stats) => {
                let version = Some((stats.started.to_bits(), stats.route_changes, stats.logged_failures));
                if *wants_details.borrow_and_update() && known != version {
                    match details(&mut client).await {
                        Ok(details) => {
                            known = version;
                            _ = sender.send(Message::Stats(Box::new(stats)));
                            Message::Details(details)
                        }
                        Err(error) => Message::Away(error),
                    }
                } else {
                    Message::Stats(Box::new(stats))
                }
            }
            Err(error) => Message::Away(error),
        };
        if sender.send(message).is_err() {
            return;
        }
        // Whoever opens details does not wait for them.
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            changed = wants_details.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// The figures of now.
pub(super) async fn stats(client: &mut AdminClient) -> Result<Stats, AdminError> {
    const PATH: &str = "/stats.json";
    let json = client.get(PATH).await?;
    Stats::of(&json).ok_or_else(|| client.no_figures(PATH))
}

async fn details(client: &mut AdminClient) -> Result<Details, AdminError> {
    Ok(Details { routes: client.get("/routes.json").await?, failures: client.get("/failures.json").await? })
}

/// The signals that end a program, with their numbers. From now on they do not end it by themselves.
fn signals() -> io::Result<Vec<(i32, Signal)>> {
    let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt(), SignalKind::quit()];
    kinds.into_iter().map(|kind| Ok((kind.as_raw_value(), signal(kind)?))).collect()
}

/// The number of the first one that comes.
async fn signalled(mut signals: Vec<(i32, Signal)>) -> i32 {
    std::future::poll_fn(|cx| {
        let came = signals.iter_mut().find_map(|(number, signal)| signal.poll_recv(cx).is_ready().then_some(*number));
        came.map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
