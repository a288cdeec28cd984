"""What is counted: figures of this process, in a file that every process of the machine can read, so that one scrape tells the sum.

`figures` names all families, `families` says what each can do, `ledger` keeps the numbers, and `sums` adds up those of all processes.
Counting costs half a microsecond and never fails; it knows no tenant, no person and nothing that a stranger chose.
"""
