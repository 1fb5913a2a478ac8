#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "whether a shell runs a value as code, only a shell can tell")]

mod readers;

use std::path::Path;
use std::process::{Command, Output};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::tests::{Fixed, fixed};
use super::super::{Names, Problem, RenderError, ShellText};

fn names() -> Names {
    Names { inputs: ["a", "b", "list", "my-input"].map(str::to_owned).into(), ..Names::default() }
}

fn values(a: &str, b: &str) -> Fixed {
    fixed([("inputs.a", json!(a)), ("inputs.b", json!(b)), ("inputs.list", json!([1, "two"])), ("inputs.my-input", json!("dashed"))])
}

fn usable(text: &str) -> ShellText {
    let (parsed, problems) = ShellText::parse(text, &names());
    parsed.unwrap_or_else(|| panic!("{text}: {problems:?}"))
}

fn problems(text: &str) -> Vec<Problem> {
    ShellText::parse(text, &names()).1
}

fn run(text: &ShellText, scope: &Fixed, folder: &Path) -> Output {
    let rendered = text.render(scope).expect("it renders");
    Command::new("/bin/sh").arg("-c").arg(&rendered.command).envs(rendered.env).current_dir(folder).output().expect("/bin/sh runs")
}

/// An empty folder that is removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("gorgon-shell-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the folder is made");
        Self(path)
    }

    fn files(&self) -> usize {
        std::fs::read_dir(&self.0).expect("the folder is read").count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_text_is_constant_and_values_travel_beside_it() {
    let text = usable("echo \"${a}\" '$x' ${b} \"${inputs.a}\" \"${a}\" $$ $${HOME} ${list | length} \"${my-input}\"");
    assert_eq!(text.command(), "echo \"${GORGON_1}\" '$x' ${GORGON_2} \"${GORGON_3}\" \"${GORGON_1}\" $$ ${HOME} ${GORGON_4} \"${GORGON_5}\"");
    let rendered = text.render(&values("1", "2")).expect("it renders");
    let expected = [("GORGON_1", "1"), ("GORGON_2", "2"), ("GORGON_3", "1"), ("GORGON_4", "2"), ("GORGON_5", "dashed")];
    assert_eq!(rendered.env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(text.references().len(), 6);
    let list = usable("x=${list}").render(&values("", "")).expect("it renders");
    assert_eq!(list.env[0].1, r#"[1,"two"]"#);
}

#[test]
fn no_value_becomes_code() {
    let injections = [
        "$(touch pwned)",
        "`touch pwned`",
        "\"; touch pwned; \"",
        "'; touch pwned; '",
        "x${IFS}$(touch${IFS}pwned)",
        "x\ntouch pwned",
        "${b}",
        "a[$(touch pwned)]",
        "\nEOF\ntouch pwned\n",
        "-n;touch pwned",
    ];
    let places = [
        "printf %s \"${a}\"",
        "printf %s ${a}",
        "x=${a}; printf %s \"$x\"",
        "printf %s $(( ${a} ))",
        "printf %s $(( 1 + $(printf %s 1) + ${a} ))",
        "sh -c \"printf %s ${a}\"",
        "eval printf %s ${a}",
        "cat <<EOF\n${a}\nEOF\n",
        "cat <<-EOF\n\t\"${a}\"\n\tEOF\n",
        "cat <<'EOF'\n${a}\nEOF\n",
        "printf %s '${a}'",
        "printf %s \"$(printf %s \"${a}\")\"",
        "printf %s \"`printf %s ${a}`\"",
        "printf %s \"${unset:-${a}}\"",
        "printf %s ${unset:-${a}} ${b}",
        "case ${a} in x) echo x;; *) echo \"${a}\";; esac",
        "for x in ${a} ${b}; do printf %s \"$x\"; done",
        "if [ \"${a}\" = x ]; then echo ${b}; fi",
        "echo \"${a}\" | sh",
        "sh <<EOF\n${a}\nEOF\n",
        "f() { printf %s \"$1\"; }; f \"${a}\"",
    ];
    let folder = Folder::new("injection");
    let mut ran = 0;
    for place in places {
        let Some(text) = ShellText::parse(place, &names()).0 else {
            continue;
        };
        for injection in injections {
            run(&text, &values(injection, "; touch pwned #"), &folder.0);
            assert_eq!(folder.files(), 0, "{place} with {injection}");
            ran += 1;
        }
    }
    assert_eq!(ran, 13 * injections.len());
}

#[test]
fn a_second_interpreter_is_refused() {
    let refused = [
        "echo $(( ${a} + 1 ))",
        "eval \"echo ${a}\"",
        "sh -c \"echo ${a}\"",
        "/bin/bash -ec \"${a}\"",
        "bash -o pipefail -c \"${a}\"",
        "sudo -u root sh -c \"${a}\"",
        "docker run image sh -c \"${a}\"",
        "X=1 python3 -c \"print(${a})\"",
        "perl -ne \"${a}\"",
        "node --eval \"${a}\"",
        "ls && ruby -e \"${a}\"",
        "awk \"{print ${a}}\" file",
        "cat x | xargs -I{} echo ${a}",
        "env ssh host \"ls ${a}\"",
        "if true; then eval ${a}; fi",
        "x=$(eval \"${a}\")",
        "find . -exec sh -c \"${a}\" \\;",
        "eval \"$(printf %s \"${a}\")\"",
        "echo \"${a}\" | tee x | sh",
        "cat <<EOF | python3\n${a}\nEOF\n",
        "trap \"${a}\" EXIT",
        "((x = ${a}))",
        "[[ ${a} -eq 1 ]]",
        "echo ${x:${a}}",
        "let x=${a}",
    ];
    for text in refused {
        let found = problems(text);
        let errors: Vec<_> = found.iter().filter(|problem| problem.is_error()).collect();
        assert_eq!(errors.len(), 1, "{text}: {found:?}");
        assert_eq!(&text[errors[0].span.clone()], "${a}", "{text}");
    }
    let accepted = [
        "python3 script.py -c \"${a}\"",
        "bash script.sh -c \"${a}\"",
        "python3 -m pytest \"${a}\"",
        "echo \"${a}\" | python3 script.py",
        "grep -e \"${a}\" file",
        "echo sh \"${a}\"",
        "echo '# eval' \"${a}\" # eval ${a}",
        "sh script.sh <<EOF\n${a}\nEOF\n",
        "eval x; echo \"${a}\"",
    ];
    for text in accepted {
        assert_eq!(problems(text), [], "{text}");
    }
}

fn first(text: &str) -> (String, String) {
    let found = problems(text);
    let found = found.first().unwrap_or_else(|| panic!("{text} has no problem"));
    (found.message.clone(), found.help.clone().unwrap_or_default())
}

#[test]
fn what_is_the_shells_is_left_to_it() {
    let kept = [
        "x=1; echo ${x} ${x:-y} ${x%y} ${#x} ${x#*/} ${1} ${@} ${#} ${?} ${HOME} $$ $x \"${x}\"",
        "read line rest; echo ${line} ${rest}",
        "for i in 1 2; do echo ${i}; done",
        "export A=1 B; echo ${A}${B}; : ${C:=3}; echo ${C}",
        "while getopts ab: opt; do echo ${opt}; done",
        "cat <<'EOF'\n${x} $(y)\nEOF\necho '${other}'",
        "echo \\${a} \"\\${a}\"",
        "echo $(echo `date`) \"$(cat <<EOF\n)\nEOF\n)\"",
        "case $x in a|b) echo 1;; (c) echo 2;; esac; (cd /; ls) 2>&1 >/dev/null &",
        "# don't ${a} \"",
        "echo ${unset:-x} ${unset:?gone}",
    ];
    for text in kept {
        let (parsed, found) = ShellText::parse(text, &names());
        assert_eq!((parsed.map(|text| text.command().to_owned()).as_deref(), found), (Some(text), vec![]), "{text}");
    }
    assert_eq!(usable("echo $${a} '$${b}'").command(), "echo ${a} '${b}'");
}

#[test]
fn problems_say_how_to_cure_them() {
    assert_eq!(first("echo ${a}").1, "write `\"${a}\"`");
    assert_eq!(first("echo ${aa}").1, "did you mean `${a}`?");
    assert_eq!(first("echo \"${a:-x}\"").1, "write `${a | default('...')}`; to leave it to the shell, write `$${`");
    assert!(first("echo ${#a}").1.starts_with("write `${a | length}`"));
    assert!(first("echo ${a%x}").0.starts_with("`a` is a value of the workflow"));
    assert!(first("echo '${a}'").0.contains("stands inside single quotes"));
    assert!(first("cat <<'END'\n${inputs.a}\nEND\n").0.contains("the heredoc with a quoted `END`"));
    assert!(first("echo \"${zzz.q}\"").0.contains("`zzz` is neither an input"));
    assert!(first("echo \"${a").0.contains("never closed"));
    assert!(first("awk \"${a}\"").1.contains("argv: [awk, ..., \"${a}\"]"));
    assert!(first("awk \"${a}\"").1.contains("stdin: \"${a}\""));
    assert_eq!(problems("echo ${a} ${b}").len(), 2);
    assert!(problems("x=${a}; case ${a} in x) ;; esac; cat <<EOF\n${a}\nEOF").is_empty());
}

#[test]
fn what_the_environment_cannot_carry_is_an_error() {
    let text = usable("printf %s \"${a}\"");
    let long = "x".repeat(super::SHELL_VALUE_BYTES_MAX + 1);
    for value in ["a\0b", long.as_str()] {
        let error = text.render(&values(value, "")).expect_err("it does not fit");
        assert!(error.to_string().contains("pass it with `stdin:`"), "{error}");
    }
    let null = text.render(&fixed([("inputs.a", Value::Null)]));
    assert_eq!(null, Err(RenderError::Null { path: "a".to_owned() }));
    let secret = usable("echo \"${secrets.KEY}\"").render(&values("", ""));
    assert!(matches!(secret, Err(RenderError::SecretNotAllowedHere { .. })));
    let most = "x".repeat(super::SHELL_VALUE_BYTES_MAX);
    let folder = Folder::new("most");
    let output = run(&text, &values(&most, ""), &folder.0);
    assert_eq!(output.stdout.len(), most.len());
}

#[test]
fn nesting_is_bounded() {
    for open in ["$(", "(", "\"$(", "${x:-", "$((1+$(", "`x $(", "$${"] {
        let (parsed, found) = ShellText::parse(&open.repeat(5000), &names());
        assert!(parsed.is_none() && found.iter().any(|problem| problem.message.contains("nests deeper")), "{open}");
    }
}

fn fragments() -> impl Strategy<Value = String> {
    let parts = [
        "${a}",
        "${",
        "$(",
        "$((",
        "))",
        ")",
        "`",
        "\"",
        "'",
        "\\",
        "<<EOF\n",
        "<<-'E'\n",
        "EOF\n",
        "\n",
        ";",
        "|",
        "&",
        "case x in ",
        "esac",
        "(",
        "{",
        "}",
        "#",
        "$$",
        "$${b}",
        "eval ",
        "sh -c ",
        "é",
        "${x:-",
        "${b%",
        "x=",
        " ",
        "<",
        ">",
        "[0]",
    ];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn parsing_never_panics(text in fragments(), other in any::<String>()) {
        for text in [&text, &other] {
            let (parsed, found) = ShellText::parse(text, &names());
            prop_assert_eq!(parsed.is_none(), found.iter().any(Problem::is_error));
            for problem in found {
                prop_assert!(text.get(problem.span).is_some());
            }
        }
    }

    #[test]
    fn text_without_references_is_untouched(text in fragments()) {
        // Whatever stands in `${…}` may be an expression, such as `${[0]}`: then it is one of ours without naming anything.
        let text = text.replace("$${", "y").replace("${", "z");
        if let Some(parsed) = ShellText::parse(&text, &names()).0 {
            prop_assert_eq!(parsed.command(), text);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_quoted_value_comes_back(value in "[^\0]{0,80}") {
        let folder = Folder::new("round-trip");
        let output = run(&usable("printf %s \"${a}\""), &values(&value, ""), &folder.0);
        prop_assert_eq!(output.stdout, value.into_bytes());
    }
}
