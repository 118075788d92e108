//! Builds the marked tree from the parser's events, without recursion.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as ParserSpan, StrInput, Tag};

use super::places::Places;
use super::{DEPTH_MAX, Entry, FILE_BYTES_MAX, KEYS_MAX, Node, Scalar, Style, Value};
use crate::diagnostic::{Code, Problem, Problems, Span};

/// Reads one YAML document.
///
/// `None` when the text cannot be read at all; what is refused but leaves the rest readable is
/// reported in `problems` and stands in the tree as [`Value::Broken`].
pub(crate) fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the configuration is larger than {FILE_BYTES_MAX} bytes");
        problems.push(
            Problem::new(Code::TooLarge, Span::point(0), message)
                .label("this file is too large")
                .help("remove what is not configuration; a flow needs about one kibibyte"),
        );
        return None;
    }
    let mut builder = Builder {
        places: Places::new(text),
        open: Vec::new(),
        root: None,
        documents: 0,
        problems,
    };
    let mut parser = Parser::new_from_str(text);
    let readable = builder.read(&mut parser);
    let Builder { root, problems, .. } = builder;
    if !readable {
        return None;
    }
    match root {
        Some(root) if !root.is_null() => Some(root),
        _ => {
            problems.push(
                Problem::new(Code::Missing, Span::point(0), "the configuration is empty")
                    .label("nothing stands here")
                    .help("`tidegate init` writes a starter"),
            );
            None
        }
    }
}

/// A collection whose end has not been seen yet.
struct Open {
    start: usize,
    /// Keys seen, also those dropped.
    keys: usize,
    content: Content,
    /// Set when the collection as a whole is refused.
    broken: bool,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<Entry>,
        pending: Option<Key>,
    },
}

/// A key whose value comes next.
struct Key {
    text: String,
    span: Span,
    /// False when the pair is reported and dropped.
    keep: bool,
}

struct Builder<'text, 'problems> {
    places: Places<'text>,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    problems: &'problems mut Problems,
}

impl<'text> Builder<'text, '_> {
    /// Takes events until the end; false when the text cannot be read any further.
    fn read(&mut self, parser: &mut Parser<'text, StrInput<'text>>) -> bool {
        while let Some(next) = parser.next_event() {
            let (event, span) = match next {
                Ok(next) => next,
                Err(error) => {
                    self.syntax(&error);
                    return false;
                }
            };
            if !self.take(event, span) {
                return false;
            }
        }
        true
    }

    fn take(&mut self, event: Event<'text>, at: ParserSpan) -> bool {
        let span = self.places.span(at);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.refuse(span, "a second document in the file", "keep one document");
                    return false;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let refused = self.refuse_decoration(span, anchor, tag.as_deref());
                let span = self.places.trimmed(span);
                let scalar = Scalar {
                    text: text.into_owned(),
                    style: style_of(style),
                };
                return self.value(span, Value::Scalar(scalar), refused);
            }
            Event::Alias(_) => {
                let help = "write the value out where it is used";
                self.refuse(span, "an alias", help);
                return self.value(span, Value::Broken, true);
            }
            Event::SequenceStart(anchor, tag) => {
                let broken = self.refuse_decoration(span, anchor, tag.as_deref());
                return self.push(span, Content::List(Vec::new()), broken);
            }
            Event::MappingStart(anchor, tag) => {
                let broken = self.refuse_decoration(span, anchor, tag.as_deref());
                let content = Content::Map {
                    entries: Vec::new(),
                    pending: None,
                };
                return self.push(span, content, broken);
            }
            Event::SequenceEnd | Event::MappingEnd => return self.close(span),
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd | Event::Nothing => {}
        }
        true
    }

    fn push(&mut self, span: Span, content: Content, broken: bool) -> bool {
        if self.open.len() >= DEPTH_MAX {
            let message = format!("nesting is deeper than {DEPTH_MAX} levels");
            self.problems.push(
                Problem::new(Code::TooLarge, span, message)
                    .label("too deep")
                    .help("no part of the configuration needs such a depth"),
            );
            return false;
        }
        self.open.push(Open {
            start: span.start,
            keys: 0,
            content,
            broken,
        });
        true
    }

    fn close(&mut self, end: Span) -> bool {
        let Some(open) = self.open.pop() else {
            return true;
        };
        let (value, last) = match open.content {
            Content::List(items) => {
                let last = items.last().map(|item| item.span.end);
                (Value::List(items), last)
            }
            Content::Map { entries, .. } => {
                let last = entries.last().map(|entry| entry.value.span.end);
                (Value::Map(entries), last)
            }
        };
        // A block collection ends where its last value ends; its end event stands on a later line.
        let flow = end.end > end.start;
        let stop = if flow {
            end.end
        } else {
            last.unwrap_or(open.start)
        };
        let span = Span::new(open.start, stop);
        self.value(span, value, open.broken)
    }

    /// A complete value: a key, the value of a key, an item, or the document itself.
    fn value(&mut self, span: Span, value: Value, broken: bool) -> bool {
        let value = if broken { Value::Broken } else { value };
        let node = Node { span, value };
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, pending }) => match pending.take() {
                Some(key) if key.keep => entries.push(Entry {
                    key: key.text,
                    key_span: key.span,
                    value: node,
                }),
                Some(_) => {}
                None => return self.key(node),
            },
        }
        true
    }

    /// A key; false when the mapping has too many of them.
    fn key(&mut self, node: Node) -> bool {
        let (text, mut keep) = match node.value {
            Value::Scalar(scalar) => (scalar.text, true),
            _ => (String::new(), false),
        };
        if !keep {
            self.refuse(
                node.span,
                "a key that is no plain word",
                "write a word as key",
            );
        } else if text == "<<" {
            let help = "write the keys out; merging is not taken over from YAML 1.1";
            self.refuse(node.span, "a merge key", help);
            keep = false;
        }
        let Some(Open { keys, content, .. }) = self.open.last_mut() else {
            return true;
        };
        let Content::Map { entries, pending } = content else {
            return true;
        };
        *keys += 1;
        if *keys > KEYS_MAX {
            let message = format!("a mapping has more than {KEYS_MAX} keys");
            self.problems.push(
                Problem::new(Code::TooLarge, node.span, message)
                    .label("one key too many")
                    .help("a configuration holds at most 1000 flows"),
            );
            return false;
        }
        if keep && let Some(first) = entries.iter().find(|entry| entry.key == text) {
            let line = self.places.line(first.key_span.start);
            self.problems.push(
                Problem::new(
                    Code::DuplicateKey,
                    node.span,
                    format!("the key `{text}` stands here a second time"),
                )
                .label(format!("first on line {line}"))
                .help("keep one of the two"),
            );
            keep = false;
        }
        *pending = Some(Key {
            text,
            span: node.span,
            keep,
        });
        true
    }

    fn refuse_decoration(&mut self, span: Span, anchor: usize, tag: Option<&Tag>) -> bool {
        if tag.is_some() {
            self.refuse(span, "a tag", "write the value without `!`");
        }
        if anchor > 0 {
            let help = "write the value out at every place where it is used";
            self.refuse(span, "an anchor", help);
        }
        anchor > 0 || tag.is_some()
    }

    fn refuse(&mut self, span: Span, what: &str, help: &str) {
        self.problems.push(
            Problem::new(Code::Unsupported, span, format!("{what} is not accepted"))
                .label("not accepted")
                .help(help),
        );
    }

    fn syntax(&mut self, error: &ScanError) {
        let at = self.places.byte(error.marker().index());
        self.problems.push(
            Problem::new(Code::Syntax, Span::point(at), "the text is not YAML")
                .label(error.info().to_owned())
                .help(self.places.syntax_help(at)),
        );
    }
}

fn style_of(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    }
}
