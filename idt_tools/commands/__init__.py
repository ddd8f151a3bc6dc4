"""What each command of `idt` does; `idt_tools.cli` reads its arguments."""
