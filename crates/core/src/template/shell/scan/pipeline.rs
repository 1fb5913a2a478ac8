//! Which command reads what another one writes: pipelines, and the groups that they stand in.

use std::ops::Range;

use super::super::words::{self, Reader, Role, Word};
use super::{End, Scan};

/// The commands at hand that are joined by pipes, and what stands around them.
pub(super) struct Pipeline {
    words: Vec<Word>,
    /// What the next word is.
    next_role: Role,
    /// Whether the command at hand has begun.
    is_begun: bool,
    /// The first use of the pipeline.
    uses_from: usize,
    /// The uses that the command at hand may read from its standard input.
    input: Range<usize>,
    /// Whether a pipe leads into the command at hand.
    is_piped: bool,
    /// Whether a heredoc of this line may lead into it as well.
    awaits_body: bool,
    /// The interpreter among the commands of this line that reads code from its input.
    pub(super) reads_code: Option<String>,
    /// The groups that are open, the innermost at the end.
    groups: Vec<Group>,
}

/// A subshell or a compound command: its commands share one input and one output.
pub(super) struct Group {
    /// The word that ends it; none ends a subshell.
    end: &'static str,
    uses_from: usize,
    input: Range<usize>,
    is_piped: bool,
    awaits_body: bool,
    /// The interpreter among its commands that reads code from its input.
    reads_code: Option<String>,
    /// Whether a pattern of `case` is at hand.
    is_pattern: bool,
}

impl Pipeline {
    pub(super) fn new(uses_from: usize, around: Option<Group>) -> Self {
        let mut pipeline = Self {
            words: Vec::new(),
            next_role: Role::Argument,
            is_begun: false,
            uses_from,
            input: 0..0,
            is_piped: false,
            awaits_body: false,
            reads_code: None,
            groups: around.into_iter().collect(),
        };
        pipeline.read_from_group();
        pipeline
    }

    /// The command at hand is the first of its pipeline: it reads what its group reads.
    fn read_from_group(&mut self) {
        self.is_piped = false;
        self.awaits_body = false;
        self.input = self.groups.last().map_or(0..0, |group| group.input.clone());
    }

    /// A group that begins where the command at hand would.
    fn group(&self, end: &'static str) -> Group {
        Group {
            end,
            uses_from: self.uses_from,
            input: self.input.clone(),
            is_piped: self.is_piped,
            awaits_body: self.awaits_body,
            reads_code: None,
            is_pattern: end == "esac",
        }
    }

    pub(super) fn is_pattern(&self) -> bool {
        self.groups.last().is_some_and(|group| group.is_pattern)
    }

    fn set_pattern(&mut self, is_pattern: bool) {
        self.words.clear();
        self.is_begun = false;
        if let Some(group) = self.groups.last_mut().filter(|group| group.end == "esac") {
            group.is_pattern = is_pattern;
        }
    }

    /// Opens or closes a group if the word that stands where a command begins does so.
    fn take_keyword(&mut self, word: &str, uses: usize) {
        let end = match word {
            "{" => "}",
            "if" => "fi",
            "while" | "until" | "for" | "select" => "done",
            "case" => "esac",
            _ => return self.close(word),
        };
        self.groups.push(self.group(end));
        self.uses_from = uses;
        self.read_from_group();
    }

    fn close(&mut self, word: &str) {
        let Some(group) = self.groups.pop_if(|group| group.end == word) else {
            return;
        };
        // What follows belongs to the group: its redirections and its pipe.
        self.uses_from = group.uses_from;
        self.input = group.input;
        self.is_piped = group.is_piped;
        self.awaits_body = group.awaits_body;
        if let Some(reader) = group.reads_code {
            self.note_reader(reader);
        }
    }

    fn note_reader(&mut self, reader: String) {
        if let Some(group) = self.groups.last_mut() {
            group.reads_code.get_or_insert_with(|| reader.clone());
        }
        self.reads_code = Some(reader);
    }

    /// The bodies of the heredocs of a line were read.
    fn feed(&mut self, bodies: &Range<usize>) {
        for group in &mut self.groups {
            if std::mem::take(&mut group.awaits_body) {
                group.input = joined(&group.input, bodies);
            }
        }
        if !self.is_piped {
            self.uses_from = bodies.end;
            self.read_from_group();
        } else if std::mem::take(&mut self.awaits_body) {
            self.input = joined(&self.input, bodies);
        }
    }

    /// The interpreter among all commands of the list that reads code from the input around it.
    pub(super) fn into_reader(self) -> Option<String> {
        self.groups.into_iter().find_map(|group| group.reads_code)
    }
}

fn joined(input: &Range<usize>, bodies: &Range<usize>) -> Range<usize> {
    let from = if input.is_empty() { bodies.start } else { input.start };
    from..bodies.end
}

impl Scan<'_> {
    pub(super) fn add_word(&mut self, pipeline: &mut Pipeline, end: End) {
        let role = std::mem::take(&mut pipeline.next_role);
        let is_command = role == Role::Argument && words::is_command_position(&pipeline.words);
        let mut word = self.word(end);
        word.role = role;
        pipeline.is_begun = true;
        if pipeline.is_pattern() {
            let follows_in = pipeline.words.last().is_none_or(|last| last.text == "in");
            if word.text == "esac" && follows_in {
                pipeline.set_pattern(false);
                pipeline.close("esac");
            }
        } else if is_command {
            pipeline.take_keyword(&word.text, self.uses.len());
        }
        pipeline.words.push(word);
    }

    pub(super) fn newline(&mut self, pipeline: &mut Pipeline) {
        if pipeline.is_pattern() {
            pipeline.set_pattern(true);
        } else if pipeline.is_begun {
            // After a pipe the command is still to come.
            self.end_command(pipeline, false);
        }
        self.copy();
        let uses_from = self.uses.len();
        let reader = pipeline.reads_code.take();
        self.read_heredocs(reader.as_deref());
        if uses_from < self.uses.len() {
            pipeline.feed(&(uses_from..self.uses.len()));
        }
    }

    pub(super) fn semicolon(&mut self, pipeline: &mut Pipeline) {
        let ends_branch = matches!((self.peek(), self.ahead(1)), (Some(b';'), Some(b';' | b'&')));
        self.end_command(pipeline, false);
        self.copy();
        if ends_branch {
            self.copy();
            pipeline.set_pattern(true);
        }
    }

    pub(super) fn bar(&mut self, pipeline: &mut Pipeline) {
        if pipeline.is_pattern() {
            pipeline.set_pattern(true);
            return self.copy();
        }
        let is_pipe = self.ahead(1) != Some(b'|');
        self.end_command(pipeline, is_pipe);
        self.copy();
        if matches!(self.peek(), Some(b'|' | b'&')) {
            self.copy();
        }
    }

    /// Whether it ended the list.
    pub(super) fn close_paren(&mut self, pipeline: &mut Pipeline, end: End) -> bool {
        let is_pattern = pipeline.is_pattern();
        if is_pattern {
            pipeline.set_pattern(false);
        }
        self.end_command(pipeline, false);
        self.copy();
        end == End::Paren && !is_pattern
    }

    pub(super) fn subshell(&mut self, pipeline: &mut Pipeline) {
        if pipeline.is_pattern() {
            return self.copy();
        }
        if pipeline.is_begun {
            self.end_command(pipeline, false);
        }
        let (start, uses_from) = (self.at, self.uses.len());
        self.copy();
        let group = pipeline.group("");
        let mut reader = None;
        self.nested(|scan| reader = scan.commands(End::Paren, Some(group)));
        let text = &self.text[start..self.at];
        if text.starts_with("((") && text.ends_with("))") {
            self.refuse(uses_from..self.uses.len(), &Reader::Arithmetic);
        }
        // What follows belongs to the subshell: its redirections and its pipe.
        pipeline.is_begun = true;
        if let Some(reader) = reader {
            pipeline.note_reader(reader);
        }
    }

    pub(super) fn redirect(&mut self, pipeline: &mut Pipeline) {
        pipeline.is_begun = true;
        if self.ahead(1) == Some(b'(') {
            return self.process(pipeline);
        }
        let rest = self.rest();
        if rest.starts_with("<<") && !rest.starts_with("<<<") {
            (0..2).for_each(|_| self.copy());
            return self.heredoc();
        }
        let length = rest.bytes().take(3).take_while(|byte| matches!(byte, b'<' | b'>')).count();
        (0..length).for_each(|_| self.copy());
        if matches!(self.peek(), Some(b'&' | b'|')) {
            self.copy();
        }
        pipeline.next_role = if length == 3 { Role::Input } else { Role::Target };
    }

    /// `<(commands)`, which the command at hand reads, or `>(commands)`, which read it.
    fn process(&mut self, pipeline: &mut Pipeline) {
        let uses_from = self.uses.len();
        let is_input = self.peek() == Some(b'<');
        let group = Group { input: pipeline.uses_from..uses_from, ..pipeline.group("") };
        (0..2).for_each(|_| self.copy());
        self.nested(|scan| {
            scan.commands(End::Paren, (!is_input).then_some(group));
        });
        let role = if is_input { Role::Input } else { Role::Target };
        pipeline.next_role = Role::Argument;
        pipeline.words.push(Word { text: "\0".to_owned(), source: String::new(), uses: uses_from..self.uses.len(), role });
    }

    pub(super) fn end_command(&mut self, pipeline: &mut Pipeline, is_pipe: bool) {
        let words = std::mem::take(&mut pipeline.words);
        pipeline.next_role = Role::Argument;
        pipeline.is_begun = false;
        let finding = words::judge(&words);
        self.assigned.extend(finding.assigned);
        for (uses, reader) in finding.refused {
            self.refuse(uses, &reader);
        }
        if let Some(reader) = finding.reads_code {
            self.refuse(pipeline.input.clone(), &Reader::Program(reader.clone()));
            pipeline.note_reader(reader);
        }
        for uses in finding.split {
            self.warn_split(uses);
        }
        // A use that nothing was said about is fine where it stands; an outer command may still refuse it.
        if is_pipe {
            // A command may pass on what it reads.
            let from = if pipeline.input.is_empty() { pipeline.uses_from } else { pipeline.input.start };
            pipeline.input = from..self.uses.len();
            pipeline.is_piped = true;
            pipeline.awaits_body |= !self.heredocs.is_empty();
        } else {
            pipeline.uses_from = self.uses.len();
            pipeline.read_from_group();
        }
    }
}
