"""The commands of `idt`. `idt_tools.cli` parses their arguments."""
