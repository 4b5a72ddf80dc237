"""The ledger of claims: what each document says, how it is answered, the verdict, and REPORT.md."""
