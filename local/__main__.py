"""`python -m local`."""

if __name__ == "__main__":
    try:
        from local.cli import main

        raise SystemExit(main())
    except KeyboardInterrupt:  # It was still loading.
        raise SystemExit(130) from None
