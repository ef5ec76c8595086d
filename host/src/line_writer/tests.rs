use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

const CAPACITY: Capacity = Capacity { records: 100, bytes: 100_000 };

const TIMEOUT: Duration = Duration::from_secs(10);

/// Blocks each write until it is released, and records what was written.
struct Slow {
    go: Receiver<()>,
    came: Sender<String>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go.recv().map_err(io::Error::other)?;
        self.came.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers each write with the next result of a list, and records what was accepted.
struct Scripted {
    answers: Vec<io::Result<usize>>,
    came: Sender<Vec<u8>>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = if self.answers.is_empty() { bytes.len() } else { self.answers.remove(0)?.min(bytes.len()) };
        self.came.send(bytes[..taken].to_vec()).map_err(io::Error::other)?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn report_nothing(_: Trouble<'_>) -> Option<String> {
    None
}

fn report_losses(trouble: Trouble<'_>) -> Option<String> {
    match trouble {
        Trouble::Dropped(records) => Some(format!("{records} are lost\n")),
        Trouble::Failing(_) | Trouble::NotReopened(..) => None,
    }
}

fn slow(capacity: Capacity) -> (LineQueue<String>, LineWriter<String>, Sender<()>, Receiver<String>) {
    let (go, waits) = channel();
    let (sends, came) = channel();
    let slow = Box::new(Slow { go: waits, came: sends });
    let (queue, writer) =
        LineQueue::start_with("slow", slow, None, capacity, report_losses).expect("a thread can be started");
    (queue, writer, go, came)
}

/// Releases as many writes as may be needed: batching depends on when the writer wakes.
fn release(go: &Sender<()>, writes: usize) {
    for _ in 0..writes {
        // The writer may have ended already.
        let _ = go.send(());
    }
}

/// The lines, and the reports of dropped records between them, whose position depends on when the writer wakes.
fn without_losses(came: &Receiver<String>) -> (String, String) {
    let came: String = came.iter().collect();
    let (losses, lines): (Vec<&str>, Vec<&str>) =
        came.split_inclusive('\n').partition(|line| line.ends_with(" are lost\n"));
    (lines.concat(), losses.concat())
}

fn scripted(answers: Vec<io::Result<usize>>) -> (LineQueue<String>, LineWriter<String>, Receiver<Vec<u8>>) {
    let (sends, came) = channel();
    let scripted = Box::new(Scripted { answers, came: sends });
    let (queue, writer) =
        LineQueue::start_with("scripted", scripted, None, CAPACITY, report_nothing).expect("a thread can be started");
    (queue, writer, came)
}

#[test]
fn a_blocked_writer_blocks_nobody_and_dropped_lines_are_reported_later() {
    let (queue, writer, go, came) = slow(CAPACITY);
    for number in 0..3 * CAPACITY.records {
        queue.push(format!("line {number}\n"));
    }
    // At most these writes: the first lines, those queued meanwhile, and the report.
    release(&go, 4);
    assert_eq!(writer.finish(TIMEOUT), Ok(()));
    drop(queue);
    let lines: String = (0..CAPACITY.records).map(|number| format!("line {number}\n")).collect();
    assert_eq!(without_losses(&came), (lines, format!("{} are lost\n", 2 * CAPACITY.records)));
}

#[test]
fn bytes_are_bounded_as_lines_are() {
    let (queue, writer, go, came) = slow(Capacity { records: 100, bytes: 10 });
    for line in ["12345\n", "123\n", "1\n"] {
        queue.push(line.to_owned());
    }
    release(&go, 4);
    assert_eq!(writer.finish(TIMEOUT), Ok(()));
    assert_eq!(without_losses(&came), ("12345\n123\n".to_owned(), "1 are lost\n".to_owned()));
}

#[test]
fn a_record_limited_to_a_part_leaves_the_remainder_to_others() {
    let (queue, writer, go, came) = slow(Capacity { records: 4, bytes: 1000 });
    for line in ["a\n", "b\n", "c\n"] {
        queue.push_within(line.to_owned(), 2);
    }
    queue.push("d\n".to_owned());
    release(&go, 4);
    assert_eq!(writer.finish(TIMEOUT), Ok(()));
    assert_eq!(without_losses(&came), ("a\nb\nd\n".to_owned(), "1 are lost\n".to_owned()));
}

#[test]
fn finish_waits_for_the_last_lines_up_to_a_timeout() {
    let (queue, writer, go, came) = slow(CAPACITY);
    queue.push("one\n".to_owned());
    queue.push("two\n".to_owned());
    assert!(!queue.flush(Duration::from_millis(1)), "nothing is written yet");
    assert_eq!(writer.finish(Duration::from_millis(1)), Err(2));
    queue.push("behind the end\n".to_owned());
    release(&go, 3);
    assert!(queue.flush(TIMEOUT), "all is written");
    assert_eq!(without_losses(&came).0, "one\ntwo\n");
}

#[test]
fn a_partial_line_is_ended_before_the_next() {
    // The disk is full in the middle of the first line, and has room again later.
    let (queue, writer, came) = scripted(vec![Ok(3), Err(io::ErrorKind::StorageFull.into())]);
    queue.push("first\n".to_owned());
    // From here on, records are written in another batch.
    let begun = came.recv().expect("the writer writes");
    queue.push("second\n".to_owned());
    assert_eq!(writer.finish(TIMEOUT), Ok(()));
    let written: Vec<u8> = begun.into_iter().chain(came.iter().flatten()).collect();
    assert_eq!(String::from_utf8_lossy(&written), "fir\nsecond\n");
}

#[test]
fn a_full_non_blocking_output_is_retried() {
    let would_block = || Err(io::ErrorKind::WouldBlock.into());
    let (queue, writer, came) = scripted(vec![would_block(), Ok(2), would_block(), would_block()]);
    queue.push("first\n".to_owned());
    assert_eq!(writer.finish(TIMEOUT), Ok(()));
    assert_eq!(String::from_utf8_lossy(&came.iter().flatten().collect::<Vec<u8>>()), "first\n");
}

#[test]
fn a_file_is_appended_to_and_reopened() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (path, kept) = (directory.path().join("lines"), directory.path().join("lines.1"));
    std::fs::write(&path, "before\n").expect("a file can be written");
    let (queue, writer) = LineQueue::start("file", Destination::File(path.clone()), CAPACITY, report_nothing)
        .expect("the file can be opened");
    std::fs::rename(&path, &kept).expect("a file can be renamed");
    queue.push("one\n".to_owned());
    queue.reopen();
    queue.push("two\n".to_owned());
    assert_eq!(writer.finish(TIMEOUT), Ok(()));
    let lines = |path| std::fs::read_to_string(path).expect("it is there");
    assert_eq!(lines(&kept), "before\none\n");
    assert_eq!(lines(&path), "two\n");
}
