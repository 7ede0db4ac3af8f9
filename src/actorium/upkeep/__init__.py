"""An installation looked at from outside: tables of rows and a store of blobs, whatever they mean to the features.

``copying`` moves all of it elsewhere and proves that it arrived; ``usage`` says where the bytes are. Tables are found
by asking the engine, so one that a migration adds today is copied today.
"""
