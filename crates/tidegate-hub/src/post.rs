//! Bringing answers back to the threads that wait for them.
//!
//! To wake a task on another thread's runtime takes a system call for each. Answers come by the frame, so
//! they are left in the **postbox** of the thread that offered, and only its **postman** is woken: a task
//! on that thread, which hands them out where a wake costs next to nothing.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tidegate_core::receive::intake::Answer;
use tokio::sync::oneshot;

thread_local! {
    /// The postbox of this thread, if a postman serves it.
    static HOME: RefCell<Option<Arc<Postbox>>> = const { RefCell::new(None) };
}

/// How a caller hears of its offer; `None` for offers nobody waits for.
pub(crate) type Ticket = Option<Return>;

/// Where an answer goes.
#[derive(Debug)]
pub(crate) struct Return {
    to: oneshot::Sender<Answer>,
    home: Option<Arc<Postbox>>,
}

impl Return {
    /// To a receiver on this thread.
    pub(crate) fn here(to: oneshot::Sender<Answer>) -> Self {
        let home = HOME.with_borrow(Clone::clone);
        Self { to, home }
    }
}

type Letter = (oneshot::Sender<Answer>, Answer);

/// Answers for one thread. Holds no more than that thread has offers under way.
#[derive(Debug, Default)]
struct Postbox(Mutex<Mail>);

#[derive(Debug, Default)]
struct Mail {
    letters: Vec<Letter>,
    postman: Option<Waker>,
    /// No postman comes any more.
    closed: bool,
}

impl Postbox {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        // Nothing that holds the lock can leave the mail half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves letters, and wakes the postman unless he is on his way.
    fn leave(&self, letters: &mut Vec<Letter>) {
        let mut mail = self.lock();
        if mail.closed {
            drop(mail);
            return hand_out(letters);
        }
        mail.letters.append(letters);
        let postman = mail.postman.take();
        drop(mail);
        if let Some(postman) = postman {
            postman.wake();
        }
    }
}

fn hand_out(letters: &mut Vec<Letter>) {
    for (to, answer) in letters.drain(..) {
        // A caller that has gone does not need it.
        drop(to.send(answer));
    }
}

/// Serves the thread it runs on for as long as it runs: answers to what is offered there come by it.
///
/// To be spawned once on each single-threaded runtime whose tasks offer to a hub. Without it each answer
/// wakes its task by itself.
pub async fn postman() {
    let round = Round {
        home: Arc::default(),
        bag: Vec::new(),
    };
    HOME.set(Some(Arc::clone(&round.home)));
    round.go().await;
}

/// A postman at work; when it is dropped the postbox closes and what lies in it is handed out.
#[derive(Debug)]
struct Round {
    home: Arc<Postbox>,
    bag: Vec<Letter>,
}

impl Round {
    async fn go(mut self) {
        poll_fn(|context| self.walk(context)).await;
    }

    /// Never ready: he walks until he is dropped.
    fn walk(&mut self, context: &Context<'_>) -> Poll<()> {
        let mut mail = self.home.lock();
        // Both vectors keep their memory.
        std::mem::swap(&mut mail.letters, &mut self.bag);
        mail.postman = Some(context.waker().clone());
        drop(mail);
        hand_out(&mut self.bag);
        Poll::Pending
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        let mut mail = self.home.lock();
        mail.closed = true;
        let mut letters = std::mem::take(&mut mail.letters);
        drop(mail);
        hand_out(&mut letters);
    }
}

/// Gathers answers by the thread they go to.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// One for each thread that has ever offered: as many as there are workers.
    bags: Vec<(Arc<Postbox>, Vec<Letter>)>,
}

impl Outbox {
    /// Takes an answer; it goes out with the next [`Outbox::send`], or at once if its thread has no postman.
    pub(crate) fn put(&mut self, ticket: Ticket, answer: Answer) {
        let Some(Return { to, home }) = ticket else {
            return;
        };
        let Some(home) = home else {
            return hand_out(&mut vec![(to, answer)]);
        };
        match self
            .bags
            .iter_mut()
            .find(|(known, _)| Arc::ptr_eq(known, &home))
        {
            Some((_, bag)) => bag.push((to, answer)),
            None => self.bags.push((home, vec![(to, answer)])),
        }
    }

    /// Sends everything.
    pub(crate) fn send(&mut self) {
        for (home, bag) in &mut self.bags {
            if !bag.is_empty() {
                home.leave(bag);
            }
        }
        // Whoever has closed offers nothing more.
        self.bags.retain(|(home, _)| Arc::strong_count(home) > 1);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;

    #[derive(Debug, Default)]
    struct Woken(std::sync::atomic::AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }

    fn offers(count: usize) -> (Vec<Ticket>, Vec<oneshot::Receiver<Answer>>) {
        (0..count)
            .map(|_| oneshot::channel())
            .map(|(to, receiver)| (Some(Return::here(to)), receiver))
            .unzip()
    }

    #[test]
    fn many_answers_wake_the_postman_once_and_arrive_by_him() {
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut postman = Box::pin(postman());
        assert!(postman.as_mut().poll(&mut context).is_pending());

        let (tickets, mut receivers) = offers(3);
        let mut outbox = Outbox::default();
        for ticket in tickets {
            outbox.put(ticket, Answer::Noted);
        }
        assert!(receivers.iter_mut().all(|it| it.try_recv().is_err()));
        outbox.send();
        outbox.send();
        assert_eq!(woken.0.load(std::sync::atomic::Ordering::Relaxed), 1);
        assert!(postman.as_mut().poll(&mut context).is_pending());
        for mut receiver in receivers {
            assert_eq!(receiver.try_recv(), Ok(Answer::Noted));
        }
    }

    #[test]
    fn a_postman_that_leaves_hands_out_what_lies_there_and_later_mail_goes_by_itself() {
        let mut context = Context::from_waker(Waker::noop());
        let mut postman = Box::pin(postman());
        assert!(postman.as_mut().poll(&mut context).is_pending());
        let (tickets, mut receivers) = offers(2);
        let mut outbox = Outbox::default();
        let mut tickets = tickets.into_iter();
        outbox.put(tickets.next().unwrap(), Answer::Noted);
        outbox.send();
        drop(postman);
        assert_eq!(receivers[0].try_recv(), Ok(Answer::Noted));
        outbox.put(tickets.next().unwrap(), Answer::Noted);
        outbox.send();
        assert_eq!(receivers[1].try_recv(), Ok(Answer::Noted));
    }

    #[test]
    fn threads_without_a_postman_are_answered_at_once() {
        let (tickets, mut receivers) = std::thread::spawn(|| offers(1)).join().unwrap();
        let mut outbox = Outbox::default();
        for ticket in tickets {
            outbox.put(ticket, Answer::Noted);
        }
        assert_eq!(receivers[0].try_recv(), Ok(Answer::Noted));
    }
}
