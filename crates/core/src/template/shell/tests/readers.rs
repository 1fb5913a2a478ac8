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

#[test]
fn a_program_gives_a_text_to_a_shell() {
    refused(&[
        "flock f -c \"echo ${a}\"",
        "flock -w 5 f --command \"echo ${a}\"",
        "script -q -c \"echo ${a}\" f",
        "runuser user -c \"echo ${a}\"",
        "runuser -l user -c \"echo ${a}\"",
        "su -c \"echo ${a}\"",
        "su - user -c \"echo ${a}\"",
        "su -s /bin/sh user -c \"echo ${a}\"",
        "su user --command=\"echo ${a}\"",
        "sg group -c \"echo ${a}\"",
        "\"$SHELL\" -c \"echo ${a}\"",
        "$SHELL -ec \"echo ${a}\"",
        "exec ${SHELL:-/bin/sh} -c \"echo ${a}\"",
        "$0 -c \"echo ${a}\"",
        "\"$(command -v bash)\" -c \"echo ${a}\"",
        "\"$HOME/bin/python3\" -c \"print(${a})\"",
        "watch \"echo ${a}\"",
        "env -S \"sh -c 'echo ${a}'\"",
        "env --split-string=\"sh -c 'echo ${a}'\"",
        "timeout 5 sh -c \"echo ${a}\"",
        "nohup nice -n 5 setsid sh -c \"echo ${a}\"",
        "unshare -r sh -c \"echo ${a}\"",
        "nsenter -t 1 sh -c \"echo ${a}\"",
        "chroot dir sh -c \"echo ${a}\"",
        "doas busybox sh -c \"echo ${a}\"",
        "docker exec c su user -c \"echo ${a}\"",
        "sh -c\"echo ${a}\"",
        "perl -I\"$HOME\" -e \"${a}\"",
    ]);
    accepted(&[
        "flock f grep -c \"${a}\" f",
        "flock \"${a}\" git -c x=y status",
        "runuser -u user -- grep -c \"${a}\" f",
        "${CC:-cc} -c \"${a}\"",
        "\"$HOME/bin/run\" -c \"${a}\"",
        "env A=\"${a}\" grep -S x",
        "timeout 5 grep -c \"${a}\" f",
        "chroot dir grep -c \"${a}\" f",
        "git -c x=y log \"${a}\"",
        "sh \"dir/${a}.sh\" -c x",
        "./shell.sh -c \"${a}\"",
        "echo su -m \"${a}\"",
    ]);
}

#[test]
fn a_started_shell_reads_a_script() {
    refused(&[
        "echo \"${a}\" | flock f sh",
        "echo \"${a}\" | \"$SHELL\"",
        "echo \"${a}\" | timeout 5 bash -es x",
        "echo \"${a}\" | nsenter -t 1 -m sh",
        "echo \"${a}\" | docker exec -i c sh",
        "echo \"${a}\" | su - user",
        "echo \"${a}\" | sudo -u user -i",
        "echo \"${a}\" | unshare -r",
        "echo \"${a}\" | chroot dir",
        "echo \"${a}\" | sh /dev/stdin x",
        "echo \"${a}\" | . /dev/stdin",
        "sh <<< \"${a}\"",
        "bash <(echo \"${a}\")",
        "source <(echo \"${a}\")",
        "echo \"${a}\" | tee >(sh)",
        "echo \"${a}\" > >(sh)",
    ]);
    accepted(&[
        "echo \"${a}\" | sudo tee f",
        "echo \"${a}\" | sudo -u user tee f",
        "echo \"${a}\" | docker exec -i c cat",
        "echo \"${a}\" | flock f tee -a log",
        "echo \"${a}\" | { flock 9; cat >> log; } 9> lock",
        "echo \"${a}\" | env",
        "echo \"${a}\" | su user script.sh",
        "echo \"${a}\" | python3 -s script.py",
        "bash script.sh <(echo \"${a}\")",
        "diff <(echo \"${a}\") f",
        "cat <<< \"${a}\"",
        "sh < \"${a}\"",
        ". ./lib.sh <<EOF\n${a}\nEOF\n",
        "find . | grep \"${a}\"",
    ]);
}
