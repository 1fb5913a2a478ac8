//! Where a value becomes the text of a script that another shell reads, and where it does not.

use super::problems;

/// Each text has one error, at its only `${a}`.
fn refused(texts: &[&str]) {
    for text in texts {
        let found = problems(text);
        let errors: Vec<_> = found.iter().filter(|problem| problem.is_error()).collect();
        assert_eq!(errors.len(), 1, "{text}: {found:?}");
        assert_eq!(&text[errors[0].span.clone()], "${a}", "{text}");
    }
}

fn accepted(texts: &[&str]) {
    for text in texts {
        assert_eq!(problems(text), [], "{text}");
    }
}

#[test]
fn a_group_writes_a_script() {
    refused(&[
        "{ echo \"${a}\"; } | sh",
        "{ echo \"${a}\"; echo done; } 2>&1 | sh",
        "( echo \"${a}\" ) | sh",
        "( echo \"${a}\" ) | cat | sh",
        "for f in x; do echo \"${a}\"; done | sh",
        "for f in \"${a}\"; do echo \"$f\"; done | sh",
        "while read -r x; do echo \"${a}\"; done < f | bash -s",
        "until false; do echo \"${a}\"; done | sh",
        "if true; then echo x; else echo \"${a}\"; fi | sh",
        "case x in x|y) echo \"${a}\";; *) ;; esac | sh",
        "case x in x) true && { echo \"${a}\" | sh; }; esac",
        "case x in x) true & echo \"${a}\" | sh;; esac",
        "{ { if true; then ( echo \"${a}\" ); fi; }; echo x; } | tee f | sudo sh",
        "{\n  echo \"${a}\"\n  echo x\n} |\n  # to the shell\n  sh",
        "{\n  cat <<EOF\n${a}\nEOF\n} | sh",
        "echo \"${a}\" |\nsh",
        "echo \"${a}\" | \\\n  sh",
        "x=$({ echo \"${a}\"; } | sh)",
        "f() { { echo \"${a}\"; } | sh; }; f",
    ]);
    accepted(&[
        "{ echo \"${a}\"; } > out",
        "{ echo \"${a}\"; }; echo x | sh",
        "( echo \"${a}\" ); echo x | sh",
        "( echo \"${a}\" )\necho x | sh",
        "{ echo \"${a}\"; }\nsh < script",
        "for f in *; do echo \"${a}\"; done | wc -l",
        "for f in *; do echo \"${a}\"; done | sort | head -n 1 > sh",
        "if true; then echo \"${a}\"; fi; echo x | sh",
        "if grep -q x f; then echo \"${a}\"; else echo x | sh; fi",
        "grep \"${a}\" f | sort",
        "echo \"${a}\" || sh",
        "echo \"${a}\" &&\nsh",
        "case \"${a}\" in x|sh) echo x | sh;; *) echo y;; esac",
        "case x in (x) echo \"${a}\";; esac; echo x | sh",
        "case x in esac; echo \"${a}\"; echo x | sh",
        "echo } \"${a}\" | cat; echo x | sh",
        "curl x | sh -s -- \"${a}\"",
    ]);
}

#[test]
fn a_group_reads_a_script() {
    refused(&[
        "echo \"${a}\" | { cat > f; sh; }",
        "echo \"${a}\" | { sh; }",
        "echo \"${a}\" | (cd /; sh)",
        "echo \"${a}\" | ( ( sh ) )",
        "echo \"${a}\" | if true; then sh; fi",
        "echo \"${a}\" | while true; do cat | sh; done",
        "echo \"${a}\" | case x in x) sh;; esac",
        "{ sh; } <<EOF\n${a}\nEOF\n",
        "(sh) <<EOF\n${a}\nEOF\n",
        "if true; then\n  sh\nfi <<EOF\n${a}\nEOF\n",
        "cat <<EOF |\n${a}\nEOF\nsh",
        "cat <<EOF | (\n${a}\nEOF\nsh\n)",
        "cat <<EOF | if true; then\n${a}\nEOF\nsh\nfi",
    ]);
    accepted(&[
        "echo \"${a}\" | { cat; echo x; }",
        "{ flock 9; echo \"${a}\"; } 9> lock",
        "echo x | { echo \"${a}\" > f; sh; }",
        "echo \"${a}\" | while read -r line; do echo \"$line\"; done; sh",
        "echo \"${a}\" | while read -r line; do case $line in sh|eval) echo x;; esac; done",
        "while read -r line; do echo \"$line\"; done <<EOF\n${a}\nEOF\necho x | sh",
        "{ cat; } <<EOF\n${a}\nEOF\nsh script",
        "cat <<EOF | (\n${a}\nEOF\ncat\n); echo x | sh",
    ]);
}
